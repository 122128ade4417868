"""The comparison of two versions: rows, reasons, shares, cost, contamination and verdict."""

from tasks.reports.diff.figures import Diff, compare
from tasks.reports.diff.page import to_html, to_text

__all__ = ["Diff", "compare", "to_html", "to_text"]
