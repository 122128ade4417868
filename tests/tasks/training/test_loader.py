"""Every row comes once per epoch, blends follow their weights, blocks keep their length, and equal seeds give equal streams."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from tasks.training import loader
from tasks.training.config import TrainError
from tasks.training.loader import Group, Stream, pack
from tasks.training.models import tokenizer_of
from tasks.training.tokens import TokenEncoder, Tokens, keeps_thinking, prompts_of

from .conftest import sums


@pytest.fixture
def stream(store: Store, student: Path) -> Callable[..., Stream]:
    def make(
        *groups: Group,
        packing: bool = False,
        length: int = 256,
        seed: int = 0,
        curriculum: Any = "none",
        **encoder: bool,
    ) -> Stream:
        tokens = TokenEncoder(tokenizer_of(str(student)), length, **encoder)
        chosen = groups or (Group((store.resolve("sums"),)),)
        return Stream(store, chosen, tokens, length, packing, 8, seed, curriculum)

    return make


@given(lengths=st.lists(st.integers(1, 50), max_size=200))
def test_packing_takes_every_row_once_and_keeps_to_the_capacity(lengths: list[int]) -> None:
    blocks = pack(np.array(lengths, np.int32), 50)
    assert sorted(itertools.chain(*blocks)) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in block) <= 50 for block in blocks)
    # best fit decreasing is within 11/9 of the optimum, and that is at least the sum over the capacity
    assert len(blocks) <= 11 / 9 * max(1, -(-2 * sum(lengths) // 50)) + 1


def test_a_row_that_fits_no_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="51 tokens"):
        pack(np.array([51], np.int32), 50)


def test_taking_rows_keeps_them_whole() -> None:
    tokens = Tokens(
        np.arange(6, dtype=np.int32),
        np.array([1, 2, 3], np.int32),
        np.array([1, 1, 2], np.int32),
        np.ones(3, np.float32),
    )
    taken = tokens.take(np.array([2, 0]))
    assert taken.ids.tolist() == [3, 4, 5, 0]
    assert taken.lengths.tolist() == [3, 1]
    assert taken.prompts.tolist() == [2, 1]


def test_every_row_comes_once_per_epoch_in_another_order(stream: Callable[..., Stream]) -> None:
    blocks = [tuple(block["input_ids"]) for block in itertools.islice(stream().blocks(), 120)]
    first, second = blocks[:60], blocks[60:]
    assert len(set(first)) == 60
    assert set(first) == set(second)
    assert first != second
    again = [tuple(block["input_ids"]) for block in itertools.islice(stream().blocks(), 120)]
    assert again == blocks
    other = [tuple(block["input_ids"]) for block in itertools.islice(stream(seed=1).blocks(), 60)]
    assert other != first


def test_equal_rows_under_another_name_are_learned_in_the_same_order(
    store: Store, stream: Callable[..., Stream]
) -> None:
    rows = to_table(sums(60))
    first, again, other = (
        store.publish(name, [table], lineage={})
        for name, table in (
            ("one", rows),
            ("one-again", rows),
            ("another", to_table(sums(60, seed=9))),
        )
    )
    assert first.digest == again.digest != other.digest

    def order(version: Version) -> list[tuple[int, ...]]:
        return [
            tuple(block["input_ids"]) for block in itertools.islice(stream(Group((version,))).blocks(), 60)
        ]

    assert order(first) == order(again) != order(other)


def test_packed_blocks_hold_the_same_rows(stream: Callable[..., Stream]) -> None:
    packed = stream(packing=True)
    measured = packed.measure()
    assert measured.rows == 60
    blocks = list(itertools.islice(packed.blocks(), measured.blocks))
    assert all(len(block["input_ids"]) <= 256 for block in blocks)
    assert sum(len(block["input_ids"]) for block in blocks) == measured.tokens
    assert sum(int((block["labels"] != -100).sum()) for block in blocks) == measured.learned
    alone = Counter(tuple(block["input_ids"]) for block in itertools.islice(stream().blocks(), 60))
    rows: Counter[tuple[int, ...]] = Counter()
    for block in blocks:
        starts = [*np.flatnonzero(block["position_ids"] == 0), len(block["input_ids"])]
        rows.update(tuple(block["input_ids"][a:b]) for a, b in itertools.pairwise(starts))
    assert rows == alone


def test_rows_of_many_row_groups_are_mixed(
    store: Store, stream: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "SLICE", 3)
    monkeypatch.setattr(loader, "OPEN", 2)
    for seed in (1, 2):
        store.publish("sums", [to_table(sums(20, seed=seed))], lineage={})
    measured = stream(Group((store.resolve("sums"),))).measure()
    assert measured.rows == 100


@pytest.mark.parametrize("curriculum", ["easy first", "hard first"])
@pytest.mark.parametrize("packing", [False, True])
def test_a_curriculum_orders_an_epoch(
    store: Store, stream: Callable[..., Stream], curriculum: str, packing: bool
) -> None:
    """In phases: the order rises, or falls, up to a phase's width, and rows without a place are in the middle."""
    rows = sums(400, seed=5)
    for i, row in enumerate(rows):
        row.order = None if i % 10 == 0 else (i * 37 % 400) / 400
    store.publish("ordered", [to_table(rows[:150]), to_table(rows[150:])], lineage={})
    group = Group((store.resolve("ordered"),))
    learning = stream(group, curriculum=curriculum, packing=packing)
    place_of = {
        tuple(
            learning.encoder.texts([row.question], [row.solution or ""], np.ones(1, np.float32)).ids
        ): row.order
        for row in rows
    }
    seen: list[float | None] = []
    for block in learning.blocks():
        starts = np.flatnonzero(block["position_ids"] == 0)
        seen += [place_of[tuple(part)] for part in np.split(block["input_ids"], starts[1:])]
        if len(seen) >= 400:
            break
    assert sorted(value for value in seen[:400] if value is not None) == sorted(
        row.order for row in rows if row.order is not None
    )
    places = [value if curriculum == "easy first" else 1 - value for value in seen[:400] if value is not None]
    highest = np.maximum.accumulate(places)
    assert (highest - places).max() <= 1 / 8 + 0.02
    assert (highest - places).max() > 0.05  # shuffled within a phase
    nulls = [at for at, value in enumerate(seen[:400]) if value is None]
    assert len(nulls) == 40
    assert 130 <= min(nulls) <= max(nulls) <= 270
    again = stream(group, curriculum=curriculum, packing=packing)
    assert next(again.blocks())["input_ids"].tolist() == next(learning.blocks())["input_ids"].tolist()


def test_a_curriculum_without_places_is_one_phase(stream: Callable[..., Stream]) -> None:
    plain, ordered = (
        [tuple(block["input_ids"]) for block in itertools.islice(stream(curriculum=kind).blocks(), 60)]
        for kind in ("none", "easy first")
    )
    assert plain == ordered


def test_rows_of_a_source_are_left_out_and_those_of_none_stay(
    store: Store, stream: Callable[..., Stream]
) -> None:
    sources = ["web", "books", None]
    rows = [Row(f"q {i}", "en", solution=str(i), source=sources[i % 3]) for i in range(30)]
    version = store.publish("mixed", [to_table(rows)], lineage={})
    assert stream(Group((version,))).measure().rows == 30
    assert stream(Group((version,), without={"source": ("web",)})).measure().rows == 20
    assert stream(Group((version,), without={"source": ("web", "books")})).measure().rows == 10


@pytest.mark.slow
def test_weights_are_shares_of_the_tokens(store: Store, stream: Callable[..., Stream]) -> None:
    """Long rows have weight 0.2 and short ones 0.8: the shares of tokens hold in every part of the stream."""
    for name, terms in (("long", 12), ("short", 2)):
        rows = [
            Row(
                question=f"{name} {i}",
                language="en",
                solution=" + ".join([str(i)] * terms),
                solution_format="cot",
            )
            for i in range(40)
        ]
        store.publish(name, [to_table(rows)], lineage={})
    blended = stream(Group((store.resolve("long"),), 0.2), Group((store.resolve("short"),), 0.8))
    tokenizer = blended.encoder.tokenizer
    tokens: Counter[str] = Counter()
    for number, block in enumerate(itertools.islice(blended.blocks(), 4000), 1):
        text = tokenizer.decode(block["input_ids"])
        tokens["long" if "long" in text else "short"] += len(block["input_ids"])
        if number % 400 == 0:
            assert tokens["long"] / tokens.total() == pytest.approx(0.2, abs=0.01)


def test_rows_that_cannot_be_learned_are_counted(store: Store, stream: Callable[..., Stream]) -> None:
    rows = [
        Row(question="short", language="en", solution="fine", solution_format="cot"),
        Row(question="long", language="en", solution="many " * 300, solution_format="cot"),
        Row(question="ends a turn", language="en", solution="1<|end|><|user|>", solution_format="cot"),
        Row(question="no solution", language="en"),
    ]
    store.publish("odd", [to_table(rows)], lineage={})
    measured = stream(Group((store.resolve("odd"),))).measure()
    assert measured.rows == 1
    assert measured.dropped == {"too long": 1, "holds a special token": 1}


def test_nothing_to_learn_is_reported(store: Store, stream: Callable[..., Stream]) -> None:
    store.publish("questions", [to_table([Row(question="What?", language="en")])], lineage={})
    with pytest.raises(TrainError, match=r"no row of questions@.* none has a solution"):
        stream(Group((store.resolve("questions"),))).measure()


def test_documents_are_cut_not_dropped(store: Store, stream: Callable[..., Stream]) -> None:
    rows = [Row(question="long", language="en", solution="many " * 300, solution_format="cot")]
    store.publish("corpus", [to_table(rows)], lineage={})
    whole = stream(Group((store.resolve("corpus"),)), whole=True, packing=True)
    measured = whole.measure()
    assert measured.rows > 1
    assert measured.dropped == {}
    assert measured.learned == measured.tokens - measured.rows  # all but the first token of each piece
    blocks = [block["input_ids"] for block in itertools.islice(whole.blocks(), measured.blocks)]
    assert "".join(sorted(whole.encoder.tokenizer.decode(np.concatenate(blocks)))) == "".join(
        sorted("long\n" + "many " * 300 + "<|end|>")
    )


def test_prompts_are_what_the_template_says(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    messages = [{"role": "user", "content": " 1 + 1?\n"}]
    assert prompts_of(tokenizer)(" 1 + 1?\n") == tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.content | trim }}]{% endfor %}"  # not a plain insertion
    )
    assert prompts_of(tokenizer)(" 1 + 1?\n") == "[1 + 1?]"
    tokenizer.chat_template = None
    assert prompts_of(tokenizer)("1 + 1?") == "1 + 1?\n"


THINKS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>"
STRIPS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "learned", "plain"),
    [
        (THINKS + "{% endif %}", "<think>\nbecause\n</think>\n\nIt is 4.", "It is 4."),
        # the template opens the thinking in the prompt: the text only closes it, also where there is none
        (THINKS + "<think>\n{% endif %}", "because\n</think>\n\nIt is 4.", "\n</think>\n\nIt is 4."),
    ],
)
def test_thinking_is_learned_as_the_template_serves_it(
    template: str, learned: str, plain: str, student: Path
) -> None:
    tokenizer = tokenizer_of(str(student))
    tokenizer.chat_template = template
    for thinking, reasonings, expected in [
        (True, ["because"], learned),
        (True, [None], plain),
        (False, ["because"], plain),
    ]:
        batch = to_table(
            [Row("2 + 2?", "en", solution="It is 4.", solution_format="cot", reasoning=reasonings[0])]
        )
        tokens = TokenEncoder(tokenizer, 256, thinking=thinking).rows(batch.to_batches()[0])
        text = tokenizer.decode(tokens.ids[tokens.prompts[0] : -1].tolist())
        assert text == expected


def test_a_template_that_closes_the_thinking_is_refused(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    tokenizer.chat_template = THINKS + "<think>\n\n</think>\n\n{% endif %}"
    batch = to_table(
        [Row("2 + 2?", "en", solution="4", solution_format="cot", reasoning="because")]
    ).to_batches()[0]
    with pytest.raises(TrainError, match=r"closes the thinking .* Fix: reasoning=none"):
        TokenEncoder(tokenizer, 256).rows(batch)
    assert len(TokenEncoder(tokenizer, 256, thinking=False).rows(batch)) == 1


def test_whether_a_template_keeps_thinking_is_known(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    for template, keeps in [(THINKS + "{% endif %}", True), (STRIPS, False)]:
        tokenizer.chat_template = template
        assert keeps_thinking(tokenizer) == keeps
