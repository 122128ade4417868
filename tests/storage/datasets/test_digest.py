"""The content digest: changes that must not affect it, and changes that must."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.datasets.digest import RowsDigest, digest_in_order, digest_of_rows
from storage.rows import SCHEMA, Row, column, to_table
from tests.row_objects import from_table

text = st.text("aé二\0\n|", max_size=6)
maybe = st.none() | text
number = st.none() | st.floats(width=32)
row = st.builds(
    Row,
    question=text,
    language=st.sampled_from(["en", "zh"]),
    solution=maybe,
    sample_index=st.none() | st.integers(-(2**31), 2**31 - 1),
    parent_ids=st.lists(maybe, max_size=3),
    verdicts=st.dictionaries(text, maybe, max_size=3),
    scores=st.dictionaries(text, number, max_size=3),
    correctness=number,
    critique=maybe,
)
KNOWN = "04337632fd0af418c6c9f73f83b2aa1b2978f635172617003e08e0e58d42ea07"


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(row, max_size=8), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_chunks_and_slices_do_not_matter(row_list: list[Row], rng: random.Random, size: int) -> None:
    table = to_table(row_list)
    shuffled = row_list[:]
    rng.shuffle(shuffled)
    parts = [table.slice(start, size) for start in range(0, table.num_rows, size)]
    expected = digest_of_rows(table)
    assert digest_of_rows(to_table(shuffled)) == expected
    assert sum((digest_of_rows(part) for part in parts), RowsDigest()) == expected
    assert digest_of_rows(pa.concat_tables(parts) if parts else table) == expected
    assert RowsDigest.parse(expected.state()) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(row, min_size=1, max_size=6), st.data())
def test_any_changed_cell_changes_the_digest(row_list: list[Row], data: st.DataObject) -> None:
    table = to_table(row_list)
    name = data.draw(st.sampled_from(["solution", "critique", "answer"]))
    at = data.draw(st.integers(0, len(row_list) - 1))
    values = column(table, name)
    values[at] = "" if values[at] is None else values[at] + "x"
    changed = table.set_column(SCHEMA.names.index(name), name, pa.array(values, pa.string()))
    assert digest_of_rows(changed).hex() != digest_of_rows(table).hex()


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(row, max_size=8), st.integers(1, 4))
def test_parquet_keeps_the_digest(row_list: list[Row], size: int) -> None:
    table = to_table(row_list)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=size)
    back = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert digest_of_rows(back) == digest_of_rows(table)
    assert digest_in_order(back) == digest_in_order(table)


def test_text_does_not_run_into_its_neighbour() -> None:
    # the same bytes in a row, cut at other places
    one = to_table([Row(question="q", language="en", id="i", problem_id="p", answer="ab", critique="c")])
    two = to_table([Row(question="q", language="en", id="i", problem_id="p", answer="a", critique="bc")])
    three = to_table([Row(question="q", language="en", id="i", problem_id="p", solution="ab", critique="c")])
    assert len({digest_of_rows(table).hex() for table in (one, two, three)}) == 3


def test_null_empty_and_missing_differ() -> None:
    def digest(**fields: object) -> str:
        return digest_of_rows(
            to_table([Row(question="q", language="en", id="i", problem_id="p", **fields)])  # type: ignore[arg-type]
        ).hex()

    assert digest(solution=None) != digest(solution="")
    assert digest(verdicts={"a": ""}) != digest(verdicts={"a": None})
    assert digest(scores={"a": 0.0}) != digest(scores={"a": None})
    assert digest(parent_ids=[]) != digest(parent_ids=[""])
    assert digest(parent_ids=["a", "b"]) != digest(parent_ids=["b", "a"])
    assert digest(sample_index=0) != digest(sample_index=None)


def test_map_order_does_not_matter() -> None:
    keys = {"a": "1", "b": "2", "ab": "3"}
    row_list = [Row(question=str(i), language="en", verdicts=keys) for i in range(5)]
    table = to_table(row_list)
    turned = pa.array([list(keys.items())[::-1]] * 5, SCHEMA.field("verdicts").type)
    other = table.set_column(SCHEMA.names.index("verdicts"), SCHEMA.field("verdicts"), turned)
    assert other.column("verdicts") != table.column("verdicts")
    assert digest_of_rows(other) == digest_of_rows(table)


def test_a_new_column_of_nulls_leaves_old_digests() -> None:
    table = to_table([Row(question="q", language="en")])
    wider = table.append_column("added_later", pa.nulls(1, pa.list_(pa.string())))
    assert digest_of_rows(wider) == digest_of_rows(table)


def test_values_under_a_null_do_not_count() -> None:
    full = pa.array([["x", "y"], ["z"]], pa.list_(pa.string()))
    hidden = pa.ListArray.from_arrays(full.offsets, full.values, mask=pa.array([True, False]))
    clean = pa.array([None, ["z"]], pa.list_(pa.string()))
    assert digest_of_rows(pa.table({"a": hidden})) == digest_of_rows(pa.table({"a": clean}))


def test_known_value() -> None:
    """Digests are stored for ever: this value must never change."""
    table = to_table(
        [
            Row(question="1+1?", language="en", solution="2", scores={"b": 0.5, "a": 1.0}, parent_ids=["p"]),
            Row(question="二加二?", language="zh", verdicts={"executed": "ok"}, correctness=0.25),
        ]
    )
    assert digest_of_rows(table).hex() == KNOWN
    assert from_table(table)[0].scores == {"a": 1.0, "b": 0.5}


def test_order_matters_where_it_is_asked_to() -> None:
    table = to_table([Row(question=str(i), language="en") for i in range(3)])
    turned = table.take([2, 1, 0])
    assert digest_in_order(turned) != digest_in_order(table)
    assert digest_in_order(pa.concat_tables([table.slice(0, 1), table.slice(1)])) == digest_in_order(table)
    assert digest_in_order(table.select(["id"])) != digest_in_order(table.select(["problem_id"]))


def test_a_type_without_canonical_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match="no canonical bytes"):
        digest_of_rows(pa.table({"a": pa.array([[[1]]], pa.list_(pa.list_(pa.int32())))}))


def test_the_arrow_type_of_text_does_not_matter() -> None:
    values = ["a", None, "", "bé", "a"]
    kinds = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
    digests = {digest_of_rows(pa.table({"a": pa.array(values).cast(kind)})).hex() for kind in kinds}
    lists = {
        digest_of_rows(pa.table({"a": pa.array([values, None, []], pa.list_(kind))})).hex()
        for kind in (pa.string(), pa.large_string(), pa.string_view())
    }
    assert (len(digests), len(lists)) == (1, 1)
