"""The concepts of rows as a graph, and walks on it."""
