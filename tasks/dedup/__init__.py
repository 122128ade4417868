"""Deduplication: exact, by Jaccard similarity, MinHash and LCS, and by meaning, within a run and against the whole
history.
"""
