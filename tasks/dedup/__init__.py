"""De-duplication: exact, Jaccard, MinHash and LCS, within a night and against all history."""

from tasks.dedup.night import dedup_rows, filter_questions
from tasks.dedup.settings import DedupSettings

__all__ = ["DedupSettings", "dedup_rows", "filter_questions"]
