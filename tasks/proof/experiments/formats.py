"""Worked solutions in words, as programs, and both: which wins in which subdomain (MAmmoTH, arXiv:2309.05653)."""

from __future__ import annotations

from typing import Any

from tasks.proof.lab import Lab, programs, words


def run(lab: Lab, models: dict[str, Any]) -> None:
    """Score CoT, PoT and the mixture, in words and by program, all trained for equally many steps. If a program of the mixture
    gives no answer, its answer in words counts."""
    rows = lab.draw("rows", lab.sizes.rows)
    half = len(rows) // 2
    models["SFT"] = lab.train("formats", words(rows))
    lab.score("CoT", models["SFT"])
    coder = lab.train("formats", programs(rows))
    lab.scores["PoT"], _ = _by_program(lab, coder)
    mixed = lab.train("formats", [*words(rows[:half]), *programs(rows[half:])])
    in_words = lab.score("CoT+PoT, words", mixed)
    by_program, ran = _by_program(lab, mixed)
    lab.scores["CoT+PoT, program"] = [
        program if answered else word
        for program, answered, word in zip(by_program, ran, in_words, strict=True)
    ]
    lab.facts["programs that ran"] = sum(ran) / len(ran)


def _by_program(lab: Lab, model: Any) -> tuple[list[int], list[bool]]:
    """Return, per held-out item, whether it is right and whether the program gave an answer."""
    programs_written = [text for (text,) in lab.complete(model, lab.held_out, program=True)]
    answers = lab.answers(programs_written, program=True)
    results = [result or 0 for result in lab.equal(answers, lab.held_out)]
    return results, [answer is not None for answer in answers]
