"""Watches over the nights of a dataset whether its models have changed.

`measures` counts what a night shows of each role's model, `betting` is the sequential test of one quantity, and `history`
runs the tests over the nights that are stored.
"""
