"""Final answers: finding them in text (`extract`), and telling whether two are the same (`Judge`, `group`)."""

from __future__ import annotations

from tasks.answers.exact import Verdict
from tasks.answers.extraction import Extraction, extract
from tasks.answers.judge import Judge, group

__all__ = ["Extraction", "Judge", "Verdict", "extract", "group"]
