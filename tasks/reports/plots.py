"""All plots of reports and evaluations, drawn by matplotlib without a display."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation.scores import Delta
    from tasks.reports.figures import FunnelLine, ValueShare

INK, KEPT, LOST, SOFT = "#1f2933", "#2f7d5b", "#c8553d", "#9fb3c8"
_COLOURS = {"better": KEPT, "worse": LOST, "not shown": SOFT}


def funnel(lines: Sequence[FunnelLine]) -> Figure:
    """Draw one bar per stage: kept, not taken (grey), rejected, failed."""
    figure = canvas(7.2, 0.34 * len(lines) + 0.7)
    axes = figure.subplots()
    titles = [label(line.title) for line in lines]
    left = np.zeros(len(lines))
    parts = (
        ("kept", KEPT, np.array([line.kept for line in lines], dtype=float)),
        ("not taken", SOFT, np.array([line.not_taken for line in lines], dtype=float)),
        ("rejected", LOST, np.array([line.rejected - line.not_taken for line in lines], dtype=float)),
        ("failed", INK, np.array([line.failed for line in lines], dtype=float)),
    )
    for name, colour, counts in parts:
        axes.barh(titles, counts, left=left, color=colour, label=name, height=0.7)
        left += counts
    axes.invert_yaxis()
    # above the bars, the first of which is often the longest
    axes.legend(
        frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(parts), borderpad=0
    )
    return plain(figure)


def histograms(scores: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """Draw one small histogram per score; the x axis is 0..1."""
    names = list(scores)
    columns = min(3, len(names)) or 1
    rows = -(-len(names) // columns) or 1
    figure = canvas(7.2, 1.7 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.axis("off")
    for axes, name in zip(grid.flat, names, strict=False):
        axes.hist(scores[name], bins=np.linspace(0, 1, 21), color=KEPT)
        axes.set_title(label(name), fontsize=9, loc="left")
    return plain(figure)


def calibration(bins: Sequence[tuple[float, float, int]]) -> Figure:
    """Draw a reliability diagram: the mean probability of the rows in a bin (x) against the share of them that was right
    (y), with its 95 % interval. Points on the line are calibrated; the area of a point shows the number of rows in its bin.

    `bins` are triples of mean probability, share right and number of rows.
    """
    from scipy.stats import binomtest

    figure = canvas(3.6, 3.2)
    axes = figure.subplots()
    probabilities, right, rows = (np.array(values, dtype=float) for values in zip(*bins, strict=True))
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, label="calibrated")
    spans = [
        binomtest(round(share * count), round(count)).proportion_ci(method="wilson")
        for share, count in zip(right, rows, strict=True)
    ]
    axes.vlines(
        probabilities, [one.low for one in spans], [one.high for one in spans], color=KEPT, linewidth=1
    )
    axes.scatter(probabilities, right, s=20 + 380 * rows / rows.sum(), color=KEPT, alpha=0.75, linewidths=0)
    axes.legend(
        frameon=False,
        fontsize=7,
        loc="lower right",
        title="area: rows; line: 95 % interval",
        title_fontsize=7,
        borderpad=0,
    )
    axes.set_xlabel("probability of being right", fontsize=8)
    axes.set_ylabel("share right", fontsize=8)
    axes.set_xlim(-0.05, 1.05)
    axes.set_ylim(-0.05, 1.05)
    return plain(figure)


def shares(values: Sequence[ValueShare]) -> Figure:
    """Draw the version's rows per value; the dark part was added by this run."""
    shown = values[:40]
    figure = canvas(7.2, 0.22 * len(shown) + 0.5)
    axes = figure.subplots()
    labels = [label(share.value) for share in shown]
    axes.barh(labels, [share.total for share in shown], color=SOFT, height=0.72)
    axes.barh(labels, [share.added for share in shown], color=KEPT, height=0.72)
    axes.invert_yaxis()
    axes.margins(y=0.5 / max(len(shown), 1))
    return plain(figure)


def differences(deltas: Sequence[Delta]) -> Figure:
    """Draw the difference of candidate and baseline per group in points, with 95 % intervals. A bar has a colour where the
    difference is shown after correction."""
    figure = canvas(7.2, 0.34 * len(deltas) + 0.9)
    axes = figure.subplots()
    for place, delta in enumerate(deltas):
        pair, colour = delta.paired, _COLOURS[delta.shown]
        axes.plot([100 * pair.low, 100 * pair.high], [place, place], color=colour, linewidth=2)
        axes.plot([100 * pair.delta], [place], "o", color=colour, markersize=5)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(deltas)), [label(f"{delta.name} ({delta.paired.items:,})") for delta in deltas])
    axes.set_xlabel("points, candidate less baseline", fontsize=8)
    axes.invert_yaxis()
    return plain(figure)


def radar(scores: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw a radar of the domains with one line per model; `scores` maps model to domain to a score from 0 to 1. Two domains
    or fewer give a line without an area."""
    figure = canvas(5.2, 4.4)
    axes = figure.add_subplot(projection="polar")
    domains = sorted({name for domain_scores in scores.values() for name in domain_scores})
    angles = np.linspace(0, 2 * np.pi, len(domains), endpoint=False)
    for (model, domain_scores), colour in zip(scores.items(), (KEPT, LOST, INK), strict=False):
        values = [domain_scores.get(name, np.nan) for name in domains]
        axes.plot([*angles, *angles[:1]], [*values, *values[:1]], color=colour, label=label(model))
        axes.fill(angles, values, color=colour, alpha=0.12)
    axes.set_xticks(angles, [label(name) for name in domains], fontsize=8)
    axes.set_ylim(0, 1)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.25, -0.15))
    return figure


def svg(figure: Figure) -> str:
    """Return the figure as an <svg> element. Equal numbers give equal bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    _lay_out(figure)
    with mpl.rc_context({"svg.hashsalt": "mathmill", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def data_uri(figure: Figure) -> str:
    """Return the figure as a PNG in a data: address, for Markdown that cannot hold elements."""
    buffer = io.BytesIO()
    _lay_out(figure)
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _lay_out(figure: Figure) -> None:
    """Lay the figure out once and remove its layout engine. A constrained layout measures every label, and would do so again
    at each saving; with any engine set, even matplotlib's "none", each saving would draw the figure twice."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def label(text: str) -> str:
    """Return a name as a label of at most 40 characters."""
    # names come from rows: a dollar sign would start matplotlib's own formula language
    flat = " ".join(text.split()).replace("$", r"\$")
    return flat if len(flat) <= 40 else flat[:39] + "…"


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of this width and height in inches."""
    # the object interface: pyplot keeps global state and is not safe in a task thread
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain(figure: Figure) -> Figure:
    """Apply the style of the reports to the figure and return it."""
    for axes in figure.axes:
        axes.tick_params(labelsize=8, length=2, colors=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(SOFT)
    return figure
