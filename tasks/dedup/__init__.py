"""De-duplication: exact, Jaccard, MinHash, LCS and by meaning, within a night and against all history."""

from tasks.dedup.night import dedup_rows, filter_questions
from tasks.dedup.semantic import flag_paraphrases
from tasks.dedup.settings import DedupSettings

__all__ = ["DedupSettings", "dedup_rows", "filter_questions", "flag_paraphrases"]
