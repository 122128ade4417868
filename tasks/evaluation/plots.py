"""Plots of an evaluation: differences by group, and a radar of the domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.scores import Delta
from tasks.reports.plots import INK, KEPT, LOST, SOFT, canvas, label, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"better": KEPT, "worse": LOST, "not shown": SOFT}


def differences(deltas: Sequence[Delta]) -> Figure:
    """Candidate less baseline in points, with 95 % intervals; coloured where it is shown after correction."""
    figure = canvas(7.2, 0.34 * len(deltas) + 0.9)
    axes = figure.subplots()
    for place, one in enumerate(deltas):
        pair, colour = one.paired, _COLOURS[one.shown]
        axes.plot([100 * pair.low, 100 * pair.high], [place, place], color=colour, linewidth=2)
        axes.plot([100 * pair.delta], [place], "o", color=colour, markersize=5)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(deltas)), [label(f"{one.name} ({one.paired.items:,})") for one in deltas])
    axes.set_xlabel("points, candidate less baseline", fontsize=8)
    axes.invert_yaxis()
    return plain(figure)


def radar(scores: Mapping[str, Mapping[str, float]]) -> Figure:
    """Model -> domain -> score in 0..1, a line a model. Two domains or fewer make no area, but a line all the same."""
    figure = canvas(5.2, 4.4)
    axes = figure.add_subplot(projection="polar")
    domains = sorted({name for found in scores.values() for name in found})
    angles = np.linspace(0, 2 * np.pi, len(domains), endpoint=False)
    for (model, found), colour in zip(scores.items(), (KEPT, LOST, INK), strict=False):
        values = [found.get(name, np.nan) for name in domains]
        axes.plot([*angles, *angles[:1]], [*values, *values[:1]], color=colour, label=label(model))
        axes.fill(angles, values, color=colour, alpha=0.12)
    axes.set_xticks(angles, [label(name) for name in domains], fontsize=8)
    axes.set_ylim(0, 1)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.25, -0.15))
    return figure
