"""Text as people and machines write it: what is the same to a reader, and what many texts share."""
