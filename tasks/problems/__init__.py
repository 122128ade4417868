"""Procedural problem families with exact answers, worked steps and programs; one module per family."""
