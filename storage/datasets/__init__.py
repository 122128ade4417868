"""Dataset versions: Delta tables that are written, audited and only then published."""
