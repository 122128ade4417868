"""Orchestration: one file per flow that a user starts. The only package that imports prefect."""
