"""The stages of a night, one plain function over rows each."""
