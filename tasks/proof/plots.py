"""The plots of the proof: the difference per question, and the scores per subdomain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.proof.claims import Claim

_RIGHT, _WRONG, _UNSURE = "#2a7f3f", "#b03030", "#8a8a8a"


def deltas(claims: Sequence[Claim], file: Path) -> None:
    """Draw one line per question: the difference in points with its 95 % interval, coloured by the verdict."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.36 * len(claims) + 1.2), layout="constrained")
    axes = figure.subplots()
    for place, claim in enumerate(reversed(claims)):
        one = claim.paired
        colour = {"effective": _RIGHT, "harmful": _WRONG}.get(claim.verdict, _UNSURE)
        axes.plot([100 * one.low, 100 * one.high], [place, place], color=colour, linewidth=2)
        axes.plot(100 * one.delta, place, "o", color=colour)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(claims)), [claim.question.name for claim in reversed(claims)])
    axes.set_xlabel("points of exact answers, 95 % interval over seeds and items; grey: not shown")
    _save(figure, file)


def formats(shares: Mapping[str, Mapping[str, Sequence[float]]], file: Path) -> None:
    """Draw bars per arm and subdomain: `shares[arm][subdomain]` are the shares of right items, one per seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(shares)
    names: list[str] = []
    for number, (arm, by_subdomain) in enumerate(shares.items()):
        names = list(by_subdomain)
        places = [place + number * width for place in range(len(names))]
        means = [100 * sum(values) / len(values) for values in by_subdomain.values()]
        axes.bar(places, means, width, label=arm)
        for place, values in zip(places, by_subdomain.values(), strict=True):
            axes.plot(
                [place] * len(values), [100 * value for value in values], ".", color="black", markersize=3
            )
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(names))], names, rotation=20, ha="right")
    axes.set_ylabel("% of held-out items; dots: seeds")
    axes.legend()
    _save(figure, file)


def _save(figure: object, file: Path) -> None:
    # without date and random ids, so that equal figures have equal bytes
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "mathmill"}):
        figure.savefig(file, metadata={"Date": None})  # type: ignore[attr-defined]
