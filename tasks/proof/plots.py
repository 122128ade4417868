"""The plot of the proof: the difference of each primary claim with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.proof.claims import Tested

_COLOURS = {"shown": "#2a7f3f", "not shown": "#707070", "refuted": "#b03030"}


def deltas(results: Sequence[Tested], file: Path) -> None:
    """Draw one line per claim that was run: the difference in points with its 95 % interval, coloured by the verdict."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = [one for one in results if one.paired is not None]
    figure = Figure(figsize=(9, 0.5 * len(drawn) + 1.4), layout="constrained")
    axes = figure.subplots()
    for place, one in enumerate(reversed(drawn)):
        pair = one.paired
        assert pair is not None
        colour = _COLOURS[one.verdict]
        axes.plot([100 * pair.low, 100 * pair.high], [place, place], color=colour, linewidth=2)
        axes.plot(100 * pair.delta, place, "o", color=colour)
        if one.claim.margin is not None:
            axes.plot([100 * one.claim.margin] * 2, [place - 0.3, place + 0.3], color="black", linewidth=1)
    axes.axvline(0, color="black", linewidth=0.8)
    names = [f"{one.claim.number}. {one.claim.candidate} - {one.claim.baseline}" for one in reversed(drawn)]
    axes.set_yticks(range(len(drawn)), names)
    axes.set_xlabel(
        "percentage points of items answered rightly, 95 % interval\ngreen: shown, grey: not shown, red: refuted; black mark: the margin of the claim"
    )
    with rc_context({"svg.hashsalt": "mathmill"}):  # equal figures have equal bytes
        figure.savefig(file, metadata={"Date": None})
