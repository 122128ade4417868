"""Turns a verified program and its question into a template, and draws new problems from it."""
