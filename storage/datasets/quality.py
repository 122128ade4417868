"""Gates on the content of rows: correctness, scores, repetition, licences, contamination.

flows/runner/gates.py selects gates by the configuration. They read the rows from the disk: the written rows when a version
is published, all its rows when it is promoted (`of_version`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted, was
from storage.datasets.audit import WrittenFile
from storage.datasets.digest import RowsDigest
from storage.datasets.gates import Gate, Written
from storage.datasets.versions import Version
from storage.location import Location
from storage.rows import SCHEMA


def of_version(where: Location, version: Version) -> Written:
    """Return a published version in the form that gates read, with all its rows."""
    files = [
        WrittenFile(
            path, facts["rows"], facts["size"], 0, facts["blake2b"], RowsDigest.parse(facts["digest"])
        )
        for path, facts in version.files.items()
    ]
    return Written(where, version.dataset, version.dataset, SCHEMA, files)


def new_rows(least: int, new: int | None = None, dropped: Callable[[], str] | None = None) -> Gate:
    """Return a gate for at least `least` new rows. `new` is their number if not all written rows are new; `dropped` returns
    why most others were dropped, for the reason of a gate that does not pass."""

    def check(written: Written) -> str | None:
        count = written.rows if new is None else new
        if count >= least:
            return None
        why = dropped() if dropped is not None else ""
        return f"{counted(count, 'new row')}, gates.min_rows asks for {least}" + (f"; {why}" if why else "")

    return Gate("gates.min_rows", check)


def mean_correctness(least: float) -> Gate:
    """Return a gate on the mean of `correctness`. A row without a correctness fails the gate."""

    def check(written: Written) -> str | None:
        batches = list(written.batches(["correctness"]))
        unknown = sum(batch.column("correctness").null_count for batch in batches)
        if unknown:
            return f"{counted(unknown, 'row')} without a correctness: verify with votes, or leave gates.correctness out"
        return _mean(pa.Table.from_batches(batches).column("correctness"), least, "correctness")

    return Gate("gates.correctness", check)


def mean_score(name: str, least: float) -> Gate:
    """Return a gate on the mean of a score over the rows that have it. Without any such row the gate fails."""

    def check(written: Written) -> str | None:
        scores = [scores_of(batch.column("scores"), name) for batch in written.batches(["scores"])]
        values = np.concatenate([np.zeros(0, np.float32), *scores])
        return _mean(pa.chunked_array([values[~np.isnan(values)]]), least, f"score {name}")

    return Gate("gates.critic", check)


def repeated(most: float) -> Gate:
    """Return a gate on the share of rows whose question and solution repeat another row's, up to case and white space."""

    def check(written: Written) -> str | None:
        texts = pa.chunked_array(list(_plain_texts(written)), pa.string())
        if not len(texts):
            return None
        share = 1 - len(pc.unique(texts)) / len(texts)
        return (
            None if share <= most else f"{share:.2%} of the rows repeat another one, at most {most:.2%} may"
        )

    return Gate("gates.duplicates", check)


def licenses(allowed: Collection[str]) -> Gate:
    """Return a gate that all licences are among `allowed`."""

    def check(written: Written) -> str | None:
        wrong: Counter[str] = Counter()
        for batch in written.batches(["license"]):
            for item in pc.value_counts(batch.column("license")).to_pylist():
                if item["values"] not in allowed:
                    wrong[item["values"] or "none"] += item["counts"]
        if not wrong:
            return None
        named = ", ".join(f"{name} ({counted(count, 'row')})" for name, count in wrong.most_common(5))
        return f"licences that are not allowed: {named}; allowed are {', '.join(sorted(allowed))}"

    return Gate("gates.licenses", check)


def clean() -> Gate:
    """Return a gate that every row was checked for benchmark items and is clean."""

    def check(written: Written) -> str | None:
        missing = 0
        for batch in written.batches(["verdicts"]):
            entries = pc.map_lookup(batch.column("verdicts"), "decontaminated", "last")
            missing += len(batch) - (pc.sum(pc.fill_null(pc.equal(entries, "clean"), False)).as_py() or 0)
        if not missing:
            return None
        return f"{counted(missing, 'row')} {was(missing)} not looked at for benchmark items: set decontaminate.benchmarks"

    return Gate("gates.clean", check)


def scores_of(column: pa.Array, name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return one entry of the `scores` maps, one value per row; NaN where a row has no such score."""
    values = pc.map_lookup(column, pa.scalar(name), "last")
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float32)


def _mean(values: pa.ChunkedArray, least: float, quantity: str) -> str | None:
    mean = pc.mean(values).as_py()
    if mean is not None and mean >= least:
        return None
    return (
        f"mean {quantity} is {'unknown' if mean is None else f'{mean:.3f}'}, at least {least:g} is asked for"
    )


def _plain_texts(written: Written) -> Iterator[pa.Array]:
    for batch in written.batches(["question", "solution"]):
        text = pc.binary_join_element_wise(
            batch.column("question"), pc.fill_null(batch.column("solution"), ""), "\n"
        )
        yield pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(text), r"\s+", " "))
