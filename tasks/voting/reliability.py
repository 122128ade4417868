"""Measures how well probabilities are calibrated: the reliability diagram and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram.

    bins: (mean probability, share right, rows) per bin that has rows. ece: the expected calibration error (Naeini et al.
    2015). accuracy: of the decision p >= 1/2.
    """

    bins: tuple[tuple[float, float, int], ...]
    ece: float
    accuracy: float


def reliability(probability: npt.ArrayLike, truth: npt.ArrayLike, bins: int = 10) -> Reliability:
    """Return the reliability of probabilities (n,) against truths (n,) of 0 or 1, in `bins` bins of equal width.

    Raises ValueError if there are no rows, or not as many truths as probabilities.
    """
    p, right = np.asarray(probability, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if p.shape != right.shape or p.ndim != 1 or len(p) == 0:
        raise ValueError(
            f"reliability: needs rows, and as many truths as probabilities; got {p.shape}, {right.shape}"
        )
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    mean, share = (np.bincount(place, values, bins) / np.maximum(rows, 1) for values in (p, right))
    ece = float((rows * np.abs(mean - share)).sum() / len(p))
    filled = tuple(
        (round(float(mean[i]), 4), round(float(share[i]), 4), int(rows[i])) for i in range(bins) if rows[i]
    )
    return Reliability(filled, ece, float(((p >= 0.5) == (right == 1)).mean()))
