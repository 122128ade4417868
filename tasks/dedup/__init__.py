"""Deduplication: exact, by Jaccard, MinHash and LCS, and by meaning, within a run and against all of the
history.
"""
