"""Questions that are made from other questions: which rows are taken, and what of their numbers and units has to stay."""
