"""De-duplication: exact, Jaccard, MinHash, LCS and by meaning, within a night and against all history."""
