"""The report of a version: a self-contained HTML page, and the same figures as Markdown for Prefect."""

from tasks.reports.figures import Figures, FunnelLine, collect
from tasks.reports.page import Report

__all__ = ["Figures", "FunnelLine", "Report", "collect"]
