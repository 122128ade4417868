"""Render a report's figures as one HTML file that needs no network, and as Markdown for the Prefect UI."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from storage import markdown
from storage.counting import counted
from storage.visible import visible
from tasks.evaluation.verdict import in_a_line
from tasks.reports import mathematics, plots
from tasks.reports.figures import Figures
from tasks.taxonomy import local_name

HERE = Path(__file__).parent
MOST_REASONS = 25


class Report:
    """A report as HTML and as Markdown. Each plot is laid out once, since layout takes most of the time of a report."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._plots = {"funnel": plots.funnel(figures.funnel)}
        if figures.scores:
            self._plots["scores"] = plots.histograms(figures.scores)
        if figures.calibration:
            self._plots["calibration"] = plots.calibration(figures.calibration["bins"])
        self._shares = {name: plots.shares(values) for name, values in figures.shares.items()}

    def html(self) -> str:
        """Return the whole page, with its styles, plots as SVG and formulas as MathML."""
        drawn: dict[str, Any] = {name: Markup(plots.svg(plot)) for name, plot in self._plots.items()}
        drawn["shares"] = {name: Markup(plots.svg(plot)) for name, plot in self._shares.items()}
        return self._render("page.html", drawn)

    def markdown(self, *, path: str) -> str:
        """Return the same figures as a Markdown artifact.

        `path` is the location of the HTML page, shown as text, since a browser follows no link from a served page to a file.
        """
        drawn = {name: plots.data_uri(plot) for name, plot in self._plots.items()}
        drawn["subdomain"] = plots.data_uri(self._shares["subdomain"])
        return self._render("page.md", drawn, path=path)

    def _render(self, template: str, drawn: dict[str, Any], **more: Any) -> str:
        plots_by_name = {"scores": "", "calibration": ""} | drawn
        page = _environment().get_template(template)
        return page.render(f=self._figures, plots=plots_by_name, most_reasons=MOST_REASONS, **more)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["mathematics"] = lambda text: Markup(mathematics.to_html(visible(text or "")))
    environment.filters["yaml"] = _yaml
    environment.filters["verdict"] = in_a_line
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["counted"] = counted
    environment.filters["cell"] = markdown.inline
    environment.filters["code"] = markdown.code
    environment.filters["topic"] = lambda name, language: local_name(str(name), language) if name else None
    environment.filters["fenced"] = markdown.fenced
    return environment


def _shown(value: Any) -> Any:
    """Escape hidden and control characters, which rows of old versions may contain."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
