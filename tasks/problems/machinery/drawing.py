"""Random draws that many families share."""

from __future__ import annotations

import random


def nonzero(rng: random.Random, bound: int) -> int:
    """Draw an integer from -bound to bound, never zero."""
    return rng.choice((-1, 1)) * rng.randint(1, bound)


def factors(rng: random.Random, degree: int, bound: int) -> list[int]:
    """Draw the integer coefficients of a polynomial of exactly this degree, highest power first; the constant term is nonzero."""
    middle = [rng.randint(-bound, bound) for _ in range(degree - 1)]
    return [nonzero(rng, bound), *middle, *([nonzero(rng, bound)] if degree else [])]
