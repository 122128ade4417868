"""Plots as SVG text, drawn by matplotlib without a display."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.reports.figures import FunnelLine, Share

# stages whose rows are no candidates: questions with known answers, and those that the student answers rightly
ASIDE = ("calibrate", "probe")
INK, KEPT, LOST, SOFT = "#1f2933", "#2f7d5b", "#c8553d", "#9fb3c8"


def funnel(lines: Sequence[FunnelLine]) -> Figure:
    """Draw one bar per stage: kept, rejected, failed. Rows that a stage of ASIDE set aside on purpose are grey."""
    figure = canvas(7.2, 0.34 * len(lines) + 0.7)
    axes = figure.subplots()
    titles = [label(line.title) for line in lines]
    left = np.zeros(len(lines))
    aside = np.array([line.stage in ASIDE for line in lines], dtype=bool)
    rejected = np.array([line.rejected for line in lines], dtype=float)
    parts = (
        ("kept", KEPT, np.array([line.kept for line in lines], dtype=float)),
        ("rejected", LOST, np.where(aside, 0.0, rejected)),
        ("set aside", SOFT, np.where(aside, rejected, 0.0)),
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
    """A small histogram a score; the x axis is 0..1."""
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
    """A reliability diagram: of rows with this mean probability (x), the share that was right (y). On the line,
    probabilities mean what they say; the area of a point is its number of rows."""
    figure = canvas(3.6, 3.2)
    axes = figure.subplots()
    said, right, rows = (np.array(values, dtype=float) for values in zip(*bins, strict=True))
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
    axes.scatter(said, right, s=20 + 380 * rows / rows.sum(), color=KEPT, alpha=0.75, linewidths=0)
    axes.set_xlabel("correctness", fontsize=8)
    axes.set_ylabel("share right", fontsize=8)
    axes.set_xlim(-0.05, 1.05)
    axes.set_ylim(-0.05, 1.05)
    return plain(figure)


def shares(values: Sequence[Share]) -> Figure:
    """The version's rows by value; the dark part was added by this run."""
    shown = values[:40]
    figure = canvas(7.2, 0.22 * len(shown) + 0.5)
    axes = figure.subplots()
    labels = [label(share.value) for share in shown]
    axes.barh(labels, [share.total for share in shown], color=SOFT, height=0.72)
    axes.barh(labels, [share.added for share in shown], color=KEPT, height=0.72)
    axes.invert_yaxis()
    axes.margins(y=0.5 / max(len(shown), 1))
    return plain(figure)


def svg(figure: Figure) -> str:
    """The figure as an <svg> element; the same bytes for the same numbers."""
    import matplotlib as mpl

    buffer = io.StringIO()
    _lay_out(figure)
    with mpl.rc_context({"svg.hashsalt": "mathmill", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def data_uri(figure: Figure) -> str:
    """The figure as a PNG in a data: address, for Markdown that cannot hold elements."""
    buffer = io.BytesIO()
    _lay_out(figure)
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _lay_out(figure: Figure) -> None:
    """Once: a constrained layout measures every label, and would do so again at each saving. With any engine left,
    the "none" of matplotlib too, each saving would draw the figure twice."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def label(text: str) -> str:
    """Names come out of rows: a dollar sign would start matplotlib's own formula language."""
    flat = " ".join(text.split()).replace("$", r"\$")
    return flat if len(flat) <= 40 else flat[:39] + "…"


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    # the object interface: pyplot keeps global state and is not safe in a task thread
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain(figure: Figure) -> Figure:
    """The figure in the style of the reports."""
    for axes in figure.axes:
        axes.tick_params(labelsize=8, length=2, colors=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(SOFT)
    return figure
