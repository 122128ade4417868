"""Decontamination: rules that find benchmark items in rows, and the measurement of their recall."""
