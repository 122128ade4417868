"""Types of numpy arrays that several modules name. A module of its own, because their users import nothing else of each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indexes = npt.NDArray[np.int64]
