"""Decontamination: finding benchmark items in rows, and measuring how well the rules find them."""
