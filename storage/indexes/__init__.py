"""Derived data: vectors, FAISS indexes and question sketches, which can be built again."""
