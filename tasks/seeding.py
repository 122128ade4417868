"""Seeds by hashing. Adding integers to a seed makes neighbours repeat; hashing does not."""

from __future__ import annotations

import hashlib
import random


def seed_of(*parts: object) -> int:
    """A 63-bit seed from any parts (seed, method, index, ...); equal parts, equal seed, on any machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_of(*parts: object) -> random.Random:
    return random.Random(seed_of(*parts))
