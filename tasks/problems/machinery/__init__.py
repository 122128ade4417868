"""The machinery of all problem families: templates, slots, notation and worked steps."""
