"""How far the verifier of answers can be relied on: equivalent answers, near misses and known reward hacks are planted, and counted."""
