"""The history of a dataset as segments in which questions are looked up.

The digest of the code covers `segment` and the modules that it imports, so this is a module of its own.
"""

from __future__ import annotations

import functools
import hashlib
import inspect

import pyarrow as pa

from storage.indexes.sketches import History
from tasks.dedup import bands, lsh, minhash, normalise, prefix, segment, tokens
from tasks.dedup import candidates as near
from tasks.dedup.segment import Questions, Segment
from tasks.dedup.settings import DedupSettings
from tasks.text import folding, notation


def segments(history: History, settings: DedupSettings) -> list[Segment]:
    """Return the history's questions, indexed; missing indexes are built and stored."""

    def build(table: pa.Table) -> dict[str, pa.Array]:
        return Segment.of(Questions.of(table), settings).arrays()

    parts = (settings.n, settings.jaccard, settings.minhash_from, settings.minhash_recall)
    definition = f"segment {code_digest()} {parts!r}"
    return [Segment.from_arrays(arrays) for arrays in history.indexes(definition, build)]


@functools.cache
def code_digest() -> str:
    """Return a digest of the code that computes a segment's arrays, so that changed code builds new indexes."""
    digest = hashlib.sha256(folding.digest().encode())
    for module in (notation, normalise, tokens, prefix, minhash, lsh, near, bands, segment):
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]
