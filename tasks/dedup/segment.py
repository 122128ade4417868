"""Known questions as arrays in which new ones are looked up: history, seeds, questions from earlier in the run.

A segment is built once from its texts and consists of flat arrays, which storage.indexes.sketches stores and
memory-maps. The cost of a lookup grows with the number of questions that are looked up and not with the segment, except for the
scan of bitmaps that ROUGE-L needs (a few nanoseconds per pair of questions of similar length).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.indexes.sketches import Arrays
from storage.rows import DERIVED_FROM, content_id
from tasks.dedup.bands import Bands
from tasks.dedup.candidates import NearIndex
from tasks.dedup.normalise import as_array, canonical_array, plain_array, template_array
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import (
    I64,
    U64,
    Bools,
    Ragged,
    number_multisets,
    rouge_tokens,
    shingle_sets,
    spans,
    text_hashes,
    tokens,
)


@dataclass(frozen=True)
class Questions:
    """Distinct questions as columns; `ids` name them in reasons. Derived columns are computed once.

    parents: per question the problem ids that it was derived from (storage.rows.DERIVED_FROM), null where there are none; None if
    that is not known.
    """

    ids: pa.Array
    texts: pa.Array
    languages: pa.Array
    parents: pa.Array | None = None

    @classmethod
    def of(cls, table: pa.Table) -> Questions:
        """Build them from columns id, question, language and, if there are any, verdicts (such as a table of rows)."""
        languages = pc.fill_null(table.column("language"), "en")
        parents = None
        if "verdicts" in table.column_names:
            derived = pc.map_lookup(table.column("verdicts"), DERIVED_FROM, "first")
            parents = derived.combine_chunks() if derived.null_count < len(derived) else None
        return cls(
            as_array(table.column("id")), as_array(table.column("question")), as_array(languages), parents
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: I64) -> Questions:
        indices = pa.array(rows)
        return Questions(
            self.ids.take(indices),
            self.texts.take(indices),
            self.languages.take(indices),
            None if self.parents is None else self.parents.take(indices),
        )

    def derived_from(self, rows: I64, other: Questions, others: I64) -> Bools:
        """Return for each k whether question rows[k] was derived from question others[k] of `other`."""
        derived: Bools = np.zeros(len(rows), dtype=bool)
        if self.parents is None:
            return derived
        named = self.parents.take(pa.array(rows))
        for k in np.flatnonzero(named.is_valid().to_numpy(zero_copy_only=False)).tolist():
            row = int(others[k])
            problem = content_id(other.languages[row].as_py(), other.texts[row].as_py())
            derived[k] = problem in named[k].as_py().split(" ")
        return derived

    @functools.cached_property
    def canonical(self) -> pa.Array:
        return canonical_array(self.texts)

    @functools.cached_property
    def exact(self) -> U64:
        return text_hashes(self.canonical)

    @functools.cached_property
    def templates(self) -> U64:
        return text_hashes(template_array(self.canonical))

    @functools.cached_property
    def numbers(self) -> U64:
        return number_multisets(self.canonical)

    def sets(self, n: int) -> Ragged:
        return shingle_sets(tokens(self.canonical, self.languages), n)

    @functools.cached_property
    def rouge(self) -> Ragged:
        return rouge_tokens(plain_array(self.texts).to_pylist(), self.languages)


@dataclass(frozen=True)
class Segment:
    """`questions` and their indexes for one n-gram length, one Jaccard threshold and one setting of MinHash."""

    questions: Questions
    templates: U64
    numbers: U64
    by_text: tuple[U64, I64]  # hashes of the canonical texts, sorted, and the row of each
    by_template: U64  # sorted
    near: NearIndex
    bands: Bands

    @classmethod
    def of(cls, questions: Questions, settings: DedupSettings) -> Segment:
        order = np.argsort(questions.exact, kind="stable")
        return cls(
            questions,
            questions.templates,
            questions.numbers,
            (questions.exact[order], order),
            np.sort(questions.templates),
            NearIndex.of(questions.sets(settings.n), settings),
            Bands.of(questions.rouge),
        )

    def arrays(self) -> dict[str, pa.Array]:
        """Return everything as flat arrays; `from_arrays` is the inverse."""
        flat = {
            "templates": self.templates,
            "numbers": self.numbers,
            "text.hash": self.by_text[0],
            "text.row": self.by_text[1],
            "template.hash": self.by_template,
            **{f"near.{name}": values for name, values in self.near.arrays().items()},
            **{f"bands.{name}": values for name, values in self.bands.arrays().items()},
        }
        arrays = {name: pa.array(values) for name, values in flat.items()}
        return arrays | {
            "ids": self.questions.ids,
            "texts": self.questions.texts,
            "languages": self.questions.languages,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Segment:
        flat = {
            name: values.to_numpy(zero_copy_only=True)
            for name, values in arrays.items()
            if name not in ("ids", "texts", "languages")
        }
        return cls(
            Questions(arrays["ids"], arrays["texts"], arrays["languages"]),
            flat["templates"],
            flat["numbers"],
            (flat["text.hash"], flat["text.row"]),
            flat["template.hash"],
            NearIndex.from_arrays(_under(flat, "near.")),
            Bands.from_arrays(_under(flat, "bands.")),
        )

    def same_text(self, own: Questions) -> tuple[I64, I64]:
        """Return (row of own, row of this segment) of equal canonical texts; equal hashes are compared as
        texts.
        """
        hashes, rows = self.by_text
        low = np.searchsorted(hashes, own.exact, side="left")
        counts = np.searchsorted(hashes, own.exact, side="right") - low
        left = np.repeat(np.arange(len(own)), counts)
        right = rows[spans(low, counts)]
        equal = pc.equal(own.canonical.take(pa.array(left)), self.questions.take(right).canonical)
        same = equal.to_numpy(zero_copy_only=False).astype(bool)
        return left[same], right[same]

    def template_counts(self, own: Questions) -> I64:
        """Return how many questions of this segment have the template of each question of own."""
        low = np.searchsorted(self.by_template, own.templates, side="left")
        counts: I64 = np.searchsorted(self.by_template, own.templates, side="right") - low
        return counts


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
