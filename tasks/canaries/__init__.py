"""Canaries: rows with a known judgement that are hidden among the rows that a critic is asked about.

`solutions` makes them, `batch` hides them, compares the critic's judgements with what is known, and decides whether the
judgements of the batch can be used. The sequential test over nights (tasks/drift) watches how often the critic is right
on them.
"""
