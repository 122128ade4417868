"""The two parts of a probe: the failures of one drive what is written, the other measures what it was worth.

The part follows from a hash of the question, so that an item is in the same part whenever and in whichever file it is asked.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tasks.seeding import seed_of
from tasks.text.folding import folded

_STEPS = 1 << 20


def measures(question: str, share: float) -> bool:
    """Return whether a question is in the part that measures, which has about `share` of all questions."""
    return seed_of("probe", " ".join(folded(question).split())) % _STEPS < share * _STEPS


def divided(items: pa.Table, share: float) -> tuple[pa.Table, pa.Table]:
    """Return the items whose failures drive, and the items that measure. `items` has a column `question`."""
    mask = pa.array([measures(text, share) for text in items.column("question").to_pylist()], pa.bool_())
    return items.filter(pc.invert(mask)), items.filter(mask)
