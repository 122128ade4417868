"""Dataset versions: Delta tables whose rows are written, audited, gated and then published."""
