"""Seeds by hashing. Adding integers to a seed makes neighbours repeat; hashing does not."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


def seed_of(*parts: object) -> int:
    """A 63-bit seed from any parts (seed, method, index, ...); equal parts, equal seed, on any machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seeds_of(parts: Sequence[object], names: Iterable[str]) -> npt.NDArray[np.int64]:
    """seed_of(*parts, name) of each name."""
    begun = hashlib.sha256("".join(f"{part}\x1f" for part in parts).encode())
    found = bytearray()
    for name in names:
        one = begun.copy()
        one.update(name.encode())
        found += one.digest()[:8]
    return (np.frombuffer(found, dtype=">u8") >> np.uint64(1)).astype(np.int64)


def rng_of(*parts: object) -> random.Random:
    return random.Random(seed_of(*parts))
