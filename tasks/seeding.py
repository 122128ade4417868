"""Derives random seeds by hashing. Integers added to a seed would make neighbouring streams repeat each other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


def seed_of(*parts: object) -> int:
    """Return a 63-bit seed from any parts (seed, method, index, ...). Equal parts give equal seeds on any machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seeds_of(parts: Sequence[object], names: Iterable[str]) -> npt.NDArray[np.int64]:
    """Return seed_of(*parts, name) for each name, as int64 (names,)."""
    prefix = hashlib.sha256("".join(f"{part}\x1f" for part in parts).encode())
    digests = bytearray()
    for name in names:
        state = prefix.copy()
        state.update(name.encode())
        digests += state.digest()[:8]
    return (np.frombuffer(digests, dtype=">u8") >> np.uint64(1)).astype(np.int64)


def rng_of(*parts: object) -> random.Random:
    """Return a random generator seeded with seed_of(*parts)."""
    return random.Random(seed_of(*parts))
