"""Environments for reinforcement learning: questions with ground truth for a framework, and the verifier, pinned by its digest, as its reward."""
