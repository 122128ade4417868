"""Outputs of stages, found by what they were computed from."""
