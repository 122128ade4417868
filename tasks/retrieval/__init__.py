"""Sentence vectors and nearest neighbours."""
