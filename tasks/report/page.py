"""A report's figures as one HTML file that needs no network, and as Markdown for the Prefect UI."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from tasks.evaluate.verdict import in_a_line
from tasks.report import mathematics, plots
from tasks.report.figures import Figures

HERE = Path(__file__).parent
MOST_REASONS = 25


def to_html(figures: Figures) -> str:
    """The whole page: styles, plots as SVG, formulas as MathML."""
    drawn = {
        "funnel": Markup(plots.svg(plots.funnel(figures.funnel))),
        "scores": Markup(plots.svg(plots.histograms(figures.scores))) if figures.scores else "",
        "calibration": Markup(plots.svg(plots.calibration(figures.calibration["bins"])))
        if figures.calibration
        else "",
        "shares": {name: Markup(plots.svg(plots.shares(values))) for name, values in figures.shares.items()},
    }
    return _environment().get_template("page.html").render(f=figures, plots=drawn, most_reasons=MOST_REASONS)


def to_markdown(figures: Figures, *, link: str) -> str:
    """The same figures as a Markdown artifact; `link` is where the HTML page lies."""
    drawn = {
        "funnel": plots.data_uri(plots.funnel(figures.funnel)),
        "scores": plots.data_uri(plots.histograms(figures.scores)) if figures.scores else "",
        "calibration": plots.data_uri(plots.calibration(figures.calibration["bins"]))
        if figures.calibration
        else "",
        "subdomain": plots.data_uri(plots.shares(figures.shares["subdomain"])),
    }
    return (
        _environment()
        .get_template("page.md")
        .render(f=figures, plots=drawn, link=link, most_reasons=MOST_REASONS)
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mathematics"] = lambda text: Markup(mathematics.to_html(text or ""))
    environment.filters["yaml"] = _yaml
    environment.filters["verdict"] = in_a_line
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["cell"] = lambda text: (
        str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("`", "'")
    )
    return environment


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
