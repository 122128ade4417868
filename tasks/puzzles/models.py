"""Finds the models of a puzzle with the answer set solver clingo, to see that there is exactly one.

The solver knows nothing of how a puzzle was drawn or deduced: it gets the clues alone.
"""

from __future__ import annotations

from collections.abc import Iterable


def models(program: str, most: int = 2) -> list[frozenset[str]]:
    """Return up to `most` models of a program, each as its shown atoms: `{"at(red,1)", ...}`."""
    import clingo  # takes tens of milliseconds to load, which only runs with puzzles need

    control = clingo.Control([str(most)], logger=lambda code, message: None)
    control.add("base", [], program)
    control.ground([("base", [])])
    shown: list[frozenset[str]] = []
    control.solve(on_model=lambda model: shown.append(frozenset(map(str, model.symbols(shown=True)))))
    return shown


def exactly_one_of(atoms: Iterable[str]) -> str:
    """Return the rule that exactly one of the atoms holds."""
    return f"1 {{ {'; '.join(atoms)} }} 1."
