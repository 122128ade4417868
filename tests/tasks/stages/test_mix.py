"""The mixture: shares and the target are met, and the choice does not depend on the order."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from storage.rows import Row, column, kept, to_table
from tasks.loss_weights import LossWeights
from tasks.stages.mix import MixSettings, mix
from tasks.target_shares import TargetsConflict


def rows(count: int, **changes: list[str]) -> list[Row]:
    drawn = []
    for i in range(count):
        fields = {name: values[i % len(values)] for name, values in changes.items()}
        drawn.append(
            Row(
                f"question {i // 2}",
                "en",
                solution=f"solution {i}",
                solution_format="cot",
                domain="algebra",
                source="a",
            )
        )
        for name, value in fields.items():
            setattr(drawn[-1], name, value)
    return drawn


def run(table: pa.Table, *, near: tuple[str, ...] = (), seed: int = 1, **changes: object) -> pa.Table:
    target = int(str(changes.pop("target", 1000)))
    settings = MixSettings.model_validate({"per_problem": 10, "shares": {}} | changes)
    return mix(table, settings=settings, target=target, near=near, seed=seed, tick=lambda n: None)


def test_the_target_is_met_and_the_rest_says_why() -> None:
    out = run(to_table(rows(30)), target=12)
    assert kept(out).num_rows == 12
    assert set(column(out, "rejected")) == {None, "mix: over the target of 12"}


def test_shares_hold_of_what_is_taken() -> None:
    table = to_table(rows(100, solution_format=["cot", "cot", "cot", "pot"]))
    out = kept(run(table, shares={"format": {"cot": 0.5}}))
    counts = Counter(column(out, "solution_format"))
    assert counts["pot"] == 25
    assert abs(counts["cot"] - counts["pot"]) <= 1


def test_a_share_of_zero_takes_none() -> None:
    out = kept(run(to_table(rows(40, source=["a", "b"])), shares={"source": {"b": 0.0}}))
    assert set(column(out, "source")) == {"a"}


def test_each_question_keeps_its_best_of_each_format() -> None:
    four = [
        Row("q", "en", solution=f"s{i}", solution_format=kind, correctness=score)
        for i, (kind, score) in enumerate([("cot", 0.9), ("cot", 0.8), ("pot", 0.1), ("pot", 0.7)])
    ]
    out = kept(run(to_table(four), per_problem=2))
    assert sorted(column(out, "solution")) == ["s0", "s3"]


def test_rows_near_a_failure_are_taken_more_often() -> None:
    table = to_table([Row(f"q{i}", "en", solution="s", solution_format="cot") for i in range(2000)])
    near = tuple(column(table, "id")[::2])
    out = kept(run(table, target=400, near=near, boost=4.0))
    share = len(set(column(out, "id")) & set(near)) / 400
    # weights 4 to 1 without replacement from equal halves: about 0.78
    assert 0.70 < share < 0.86


def test_harder_questions_weigh_more() -> None:
    easy, hard = (
        Row(name, "en", solution="s", difficulty=difficulty, correctness=0.95)
        for name, difficulty in (("e", 0.0), ("h", 0.75))
    )
    assert column(run(to_table([easy, hard])), "loss_weight") == [1.0, 1.75]
    off = run(to_table([easy, hard]), loss_weights=LossWeights(on=False))
    assert column(off, "loss_weight") == [1.0, 1.0]


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(24)), st.integers(1, 30), st.sampled_from([0.2, 0.5, 1.0]))
def test_the_choice_does_not_depend_on_order(order: list[int], target: int, share: float) -> None:
    table = to_table(rows(24, solution_format=["cot", "pot", "pot"], domain=["algebra", "geometry"]))
    settings_ = {"target": target, "per_problem": 1, "shares": {"format": {"pot": share}}}
    one, other = run(table, **settings_), run(table.take(order), **settings_)
    assert set(column(kept(one), "id")) == set(column(kept(other), "id"))
    assert one.num_rows == other.num_rows == 24
    counts = Counter(column(kept(one), "solution_format"))
    assert counts["pot"] <= max(1, round(share * max(1, kept(one).num_rows)) + 1)


def test_another_seed_takes_other_rows() -> None:
    table = to_table(rows(200))
    first, second = (set(column(kept(run(table, target=50, seed=s)), "id")) for s in (1, 2))
    assert first != second


@pytest.mark.parametrize("count", [0, 1])
def test_small_tables(count: int) -> None:
    assert kept(run(to_table(rows(count)))).num_rows == count


def test_least_shares_of_domains_hold_of_what_is_taken() -> None:
    table = to_table(rows(200, domain=["algebra"] + ["calculus"] * 9))
    out = run(table, target=60, at_least={"algebra": 0.25})
    counts = Counter(column(kept(out), "domain"))
    assert counts == {"algebra": 15, "calculus": 45}
    # 20 rows of algebra are a quarter of no more than 80
    out = run(table, target=150, at_least={"algebra": 0.25})
    assert Counter(column(kept(out), "domain")) == {"algebra": 20, "calculus": 60}
    assert "mix: over the 80 rows in which every domain has its least share" in column(out, "rejected")


def test_least_and_largest_shares_hold_together() -> None:
    table = to_table(rows(200, domain=["algebra", "calculus"], solution_format=["cot", "cot", "pot", "cot"]))
    taken = kept(run(table, target=100, at_least={"algebra": 0.4}, shares={"format": {"cot": 0.6}}))
    domains, formats = (Counter(column(taken, name)) for name in ("domain", "solution_format"))
    assert domains["algebra"] >= 0.4 * taken.num_rows
    assert formats["cot"] <= 0.6 * taken.num_rows + 1
    assert taken.num_rows > 60


def test_a_domain_that_is_not_there_leaves_nothing() -> None:
    assert kept(run(to_table(rows(20)), at_least={"calculus": 0.1})).num_rows == 0


def test_rows_with_thinking_keep_to_their_share() -> None:
    table = to_table(rows(60, reasoning=["a long chain", "a long chain", None]))  # type: ignore[list-item]
    out = kept(run(table, shares={"reasoning": {"with": 0.25}}))
    thinking = [text is not None for text in column(out, "reasoning")]
    assert thinking.count(False) == 20
    assert abs(thinking.count(True) / len(thinking) - 0.25) < 0.03
    without = kept(run(table, shares={"reasoning": {"without": 0}}))
    assert None not in column(without, "reasoning")
    with pytest.raises(ValueError, match="reasoning"):
        MixSettings.model_validate({"shares": {"reasoning": {"long": 0.5}}})


def test_columns_in_place_of_the_texts_give_the_same_choice() -> None:
    """As in a rebuild, which reads only what the choice needs."""
    table = to_table(rows(60, reasoning=["a long chain", "short", None]))  # type: ignore[list-item]
    settings = MixSettings.model_validate(
        {"shares": {"reasoning": {"with": 0.25}}, "targets": {"length": {"15..": 0.1}}}
    )
    measured = settings.of_texts()
    assert sorted(measured) == ["length", "reasoning"]
    short = table.drop_columns(["question", "solution", "reasoning"])
    for name, measure in measured.items():
        short = short.append_column(name, measure(table))
    assert set(column(short, "reasoning")) == {"", None}

    def chosen(of: pa.Table) -> list[str]:
        taken = mix(of, settings=settings, target=30, near=(), seed=1, tick=lambda n: None)
        return column(taken.filter(taken.column("rejected").is_null()), "id")

    assert 0 < len(chosen(table)) < 30
    assert chosen(short) == chosen(table)
    assert MixSettings().of_texts() == {}


def shares_of(table: pa.Table, name: str) -> dict[str, float]:
    counts = Counter(column(table, name))
    return {str(value): count / table.num_rows for value, count in counts.items()}


def test_target_shares_are_met_together() -> None:
    table = to_table(
        rows(
            400,
            solution_format=["cot", "cot", "cot", "pot"],
            source=["a", "b", "b", "b", "a"],
            method=["m", "n"],
        )
    )
    targets = {"format": {"pot": 0.4}, "source": {"a": 0.5}, "method": {"m": 0.3}}
    out = run(table, targets=targets, fill=0.2)
    left = kept(out)
    assert left.num_rows >= 80
    assert shares_of(left, "solution_format")["pot"] == pytest.approx(0.4, abs=0.03)
    assert shares_of(left, "source")["a"] == pytest.approx(0.5, abs=0.03)
    assert shares_of(left, "method")["m"] == pytest.approx(0.3, abs=0.03)
    assert {
        str(why).partition(" rows of")[0].rstrip("0123456789") for why in column(out, "rejected") if why
    } == {"mix: over the "}
    again = kept(run(table.take(list(reversed(range(400)))), targets=targets, fill=0.2))
    assert set(column(again, "id")) == set(column(left, "id"))


def test_a_target_takes_the_place_of_the_largest_share_of_the_same_value() -> None:
    table = to_table(rows(100, solution_format=["cot", "pot"]))
    out = kept(run(table, targets={"format": {"pot": 0.8}}, shares={"format": {"cot": 0.6, "pot": 0.6}}))
    assert shares_of(out, "solution_format") == {
        "pot": pytest.approx(0.8, abs=0.02),
        "cot": pytest.approx(0.2, abs=0.02),
    }


def test_difficulty_and_length_are_targeted_by_range() -> None:
    drawn = [
        Row(
            f"q{i}",
            "en",
            solution="s" * (10 if i % 4 else 100),
            solution_format="cot",
            difficulty=(i % 5) / 5,
        )
        for i in range(200)
    ]
    drawn[0].reasoning = "t" * 200
    out = kept(
        run(to_table(drawn), targets={"length": {"50..": 0.5}, "difficulty": {"..0.5": 0.5}}, fill=0.2)
    )
    long = [
        len(s) + len(r or "") >= 50
        for s, r in zip(column(out, "solution"), column(out, "reasoning"), strict=True)
    ]
    assert sum(long) / len(long) == pytest.approx(0.5, abs=0.03)
    assert sum(value < 0.5 for value in column(out, "difficulty")) / len(long) == pytest.approx(0.5, abs=0.03)


def test_targets_that_cannot_hold_publish_nothing_and_say_what_can() -> None:
    table = to_table(rows(100, source=["a"] * 9 + ["b"]))
    with pytest.raises(TargetsConflict, match=r"source b exactly 0.5 \(nearest 0.2\)"):
        run(table, targets={"source": {"b": 0.5}})
    assert kept(run(table, targets={"source": {"b": 0.5}}, fill=0.1)).num_rows == 20


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"colour": {"red": 0.5}}, "unknown dimension 'colour'"),
        ({"length": {"long": 0.5}}, "'long' is no range"),
        ({"difficulty": {"0.5..0.2": 0.5}}, "is no range"),
        ({"source": {"a": 0.7, "b": 0.7}}, "add up to 1.4"),
        ({"format": {"prose": 0.7}}, "unknown format 'prose'"),
    ],
)
def test_targets_that_say_nothing_are_refused(targets: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MixSettings(targets=targets)


def test_the_curriculum_follows_the_pass_rate_and_else_the_difficulty() -> None:
    drawn = [
        Row("a", "en", solution="s", scores={"pass_rate": 0.75}, difficulty=0.9),
        Row("b", "en", solution="s", difficulty=0.5),
        Row("c", "en", solution="s"),
    ]
    out = run(to_table(drawn), curriculum=True)
    assert dict(zip(column(out, "question"), column(out, "order"), strict=True)) == {
        "a": 0.25,
        "b": 0.5,
        "c": None,
    }
    assert set(column(run(to_table(drawn)), "order")) == {None}
