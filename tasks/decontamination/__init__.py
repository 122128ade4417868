"""Decontamination: no row may come from a benchmark."""
