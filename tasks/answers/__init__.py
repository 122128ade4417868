"""Finds final answers in text (`extract`), and decides whether two of them are equal (`Judge`, `group`)."""

from __future__ import annotations

from tasks.answers.extraction import Extraction, extract
from tasks.answers.judge import Groups, Judge, group, group_all
from tasks.answers.verdicts import Judgement

__all__ = ["Extraction", "Groups", "Judge", "Judgement", "extract", "group", "group_all"]
