"""Rows of other kinds than solutions: chats and documents, stored, exported and with their ids and digests."""

from __future__ import annotations

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.datasets.digest import digest_in_order, digest_of_rows
from storage.datasets.export import export
from storage.datasets.store import Store
from storage.datasets.turns import message_of
from storage.reasons import Code, reason
from storage.rows import CHAT, MESSAGES, SCHEMA, TEXT, ChatTurn, Row, to_table

CALL = orjson.dumps(
    [{"id": "c1", "type": "function", "function": {"name": "python", "arguments": '{"code": "2+2"}'}}]
).decode()


def turn(role: str, content: str | None, **fields: str) -> ChatTurn:
    message: ChatTurn = {
        "role": role,
        "content": content,
        "reasoning": None,
        "tool_calls": None,
        "tool_call_id": None,
        "name": None,
    }
    return message | fields  # type: ignore[return-value]


def chat(*turns: ChatTurn) -> Row:
    asked = "\n\n".join(str(one["content"]) for one in turns if one["role"] == "user")
    return Row(asked, "en", kind=CHAT, messages=list(turns))


HELLO = chat(turn("user", "Hello"), turn("assistant", "Hi!"), turn("user", "2+2?"), turn("assistant", "4"))
TOOLS = chat(
    turn("system", "Use the tool."),
    turn("user", "2+2?"),
    turn("assistant", None, tool_calls=CALL, reasoning="I compute."),
    turn("tool", "4", tool_call_id="c1", name="python"),
    turn("assistant", "It is 4."),
)
DOCUMENT = Row("A group is a set with an associative operation.", "en", kind=TEXT)
SOLVED = Row("1+1?", "en", solution="2", reasoning="easy")


def test_the_fields_of_a_turn_are_those_of_the_column() -> None:
    assert list(ChatTurn.__annotations__) == [field.name for field in MESSAGES.value_type]


def test_ids_tell_kinds_and_turns_apart() -> None:
    other = chat(*HELLO.messages[:-1], turn("assistant", "five"))  # type: ignore[index]
    assert HELLO.problem_id == other.problem_id
    assert (
        len({HELLO.id, other.id, Row(HELLO.question, "en").id, Row(HELLO.question, "en", kind=TEXT).id}) == 4
    )


def test_a_version_before_the_columns_has_the_same_digest() -> None:
    table = to_table([SOLVED])
    assert digest_of_rows(table).hex() == digest_of_rows(table.drop_columns(["kind", "messages"])).hex()


@pytest.mark.parametrize("field", ["role", "content", "reasoning", "tool_calls", "tool_call_id", "name"])
def test_every_field_of_every_turn_counts_in_the_digest(field: str) -> None:
    changed = [dict(one) for one in TOOLS.messages or ()]
    changed[3][field] = "changed"
    rows = to_table([TOOLS]).set_column(
        SCHEMA.names.index("messages"), "messages", pa.array([changed], MESSAGES)
    )
    assert digest_of_rows(rows).hex() != digest_of_rows(to_table([TOOLS])).hex()


def test_an_absent_turn_is_no_empty_one() -> None:
    def digest(messages: list[object]) -> str:
        return digest_of_rows(pa.table({"messages": pa.array([messages], MESSAGES)})).hex()

    assert digest([None]) != digest([{}])
    assert digest([{}]) != digest([{}, {}])


def test_digests_survive_a_file_and_any_order(tmp_path: Path) -> None:
    table = to_table([HELLO, SOLVED, TOOLS, DOCUMENT])
    pq.write_table(table, tmp_path / "rows.parquet")
    back = pq.read_table(tmp_path / "rows.parquet")
    assert digest_in_order(back) == digest_in_order(table)
    turned = table.take(pa.array([3, 1, 0, 2]))
    assert digest_of_rows(turned).hex() == digest_of_rows(back).hex()
    assert digest_of_rows(table.slice(1)) + digest_of_rows(table.slice(0, 1)) == digest_of_rows(table)


def test_kinds_are_published_beside_rows_of_a_table_without_the_columns(store: Store, day) -> None:
    store.publish("math-sft", [to_table([SOLVED])], lineage={}, date=day)
    version = store.publish("math-sft", [to_table([HELLO, TOOLS, DOCUMENT])], lineage={}, date=day)
    read = store.read(version, ["id", "kind", "messages"])
    kinds = dict(zip(read.column("id").to_pylist(), read.column("kind").to_pylist(), strict=True))
    assert kinds == {SOLVED.id: None, HELLO.id: CHAT, TOOLS.id: CHAT, DOCUMENT.id: TEXT}
    store.verify(version)


def exported(store: Store, folder: Path, shape: str, **options: object) -> list[dict[str, object]]:
    export(store, store.resolve("math-sft"), folder, shape, **options)  # type: ignore[arg-type]
    (path,) = (folder / "data").iterdir()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_messages_have_solutions_and_whole_chats(store: Store, day, tmp_path: Path) -> None:
    store.publish("math-sft", [to_table([SOLVED, HELLO, TOOLS, DOCUMENT])], lineage={}, date=day)
    by_id = {one["id"]: one["messages"] for one in exported(store, tmp_path / "e", "messages")}
    assert set(by_id) == {SOLVED.id, HELLO.id, TOOLS.id}
    assert by_id[SOLVED.id] == [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2", "reasoning_content": "easy"},
    ]
    assert by_id[HELLO.id] == [
        {"role": one["role"], "content": one["content"]} for one in HELLO.messages or ()
    ]
    assert by_id[TOOLS.id][2:4] == [  # type: ignore[index]
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "I compute.",
            "tool_calls": orjson.loads(CALL),
        },
        {"role": "tool", "content": "4", "tool_call_id": "c1", "name": "python"},
    ]
    parquet = tmp_path / "p"
    export(store, store.resolve("math-sft"), parquet, "messages", files="parquet")
    (path,) = (parquet / "data").iterdir()
    assert pq.read_table(path).num_rows == 3
    assert len(exported(store, tmp_path / "c", "prompt-completion")) == 1


def test_a_version_without_chats_is_exported_as_before(store: Store, day, tmp_path: Path) -> None:
    store.publish("math-sft", [to_table([Row("1+1?", "en", solution="2")])], lineage={}, date=day)
    (record,) = exported(store, tmp_path / "e", "messages")
    assert record["messages"] == [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]


def test_thinking_of_a_turn_can_be_inline_or_left_out() -> None:
    thinking = (TOOLS.messages or [])[2]
    assert message_of(thinking, "inline")["content"] == "<think>\nI compute.\n</think>\n\n"
    assert message_of(thinking, "none")["content"] == ""
    assert message_of(thinking, "none").keys() == {"role", "content", "tool_calls"}


def test_the_worse_sides_of_an_imported_file_become_pairs_where_their_answers_differ(
    store: Store, day, tmp_path: Path
) -> None:
    questions = [f"What is {number} + 1?" for number in range(3)]
    chosen = [Row(question, "en", solution="right", answer="1") for question in questions]
    codes = (Code.NOT_PREFERRED, Code.FLAGGED_WRONG, Code.NOT_PREFERRED)
    worse = [
        Row(question, "en", solution="worse", answer=answer, reason=reason("import", code))
        for question, code, answer in zip(questions, codes, ("2", "2", None), strict=True)
    ]
    store.publish("math-sft", [to_table(chosen)], lineage={}, date=day)
    store.append_candidates(to_table(worse), run="r")
    pairs = exported(store, tmp_path / "e", "preference", compare=lambda some: ["different"] * len(some))
    assert sorted(str(pair["rejected_reason"]) for pair in pairs) == ["flagged_wrong", "not_preferred"]
    assert {pair["prompt"] for pair in pairs} == set(questions[:2])
