from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from storage.indexes.sketches import History
from storage.reasons import Code
from storage.rows import DERIVED_FROM, Row, column, dropped, kept, reasons_of, to_table
from tasks.dedup.settings import DedupSettings
from tasks.stages.dedup import dedup
from tasks.stages.similarity import similarity
from tests.row_objects import from_table

APPLES = "Tom has {} apples and buys {} more apples at the shop on Sunday. How many apples does Tom have now?"
WORDS = [
    "river",
    "bridge",
    "lantern",
    "copper",
    "violin",
    "meadow",
    "harbour",
    "carpet",
    "window",
    "engine",
    "orchard",
    "saddle",
    "basket",
    "pepper",
    "marble",
    "ticket",
    "garden",
    "pencil",
    "rocket",
    "turtle",
    "anchor",
    "button",
    "candle",
    "drawer",
    "feather",
    "guitar",
    "hammer",
    "island",
    "jacket",
    "kettle",
]


def questions(*texts: str, language: str = "en") -> pa.Table:
    return to_table([Row(text, language) for text in texts])


def reasons(table: pa.Table) -> list[str | None]:
    return column(table, "rejected")


def kinds(table: pa.Table) -> list[str]:
    return ["kept" if why is None else why.split()[1] for why in reasons(table)]


def different(count: int, seed: int = 1) -> list[str]:
    """Questions that have nothing in common but their form."""
    rng = random.Random(seed)
    return [
        " ".join(rng.choices(WORDS, k=12)) + f" how many, given {rng.randint(1, 9)}?" for _ in range(count)
    ]


def test_samples_of_one_question_are_no_duplicates() -> None:
    rows = [
        Row(APPLES.format(3, 5), "en", solution="Three and five make eight.", solution_format="cot"),
        Row(APPLES.format(3, 5), "en", solution="Adding 5 to 3 we get 8 in the end.", solution_format="cot"),
        Row(APPLES.format(3, 5), "en", solution="print(3 + 5)", solution_format="pot"),
    ]
    judged = dedup(to_table(rows))
    assert reasons(judged) == [None] * 3
    assert column(judged, "verdicts") == [[("dedup", "unique")]] * 3


def test_repeated_solutions_of_one_question() -> None:
    steps = (
        "First we add the apples that Tom had to those that he bought at the shop, which makes eight in all"
    )
    rows = [
        Row("Q one?", "en", id="b", solution=steps + ".", solution_format="cot", correctness=0.5),
        Row(
            "Q one?", "en", id="a", solution=steps.replace(" ", "  "), solution_format="cot", correctness=0.9
        ),
        Row("Q one?", "en", id="c", solution=steps + " of them", solution_format="cot", correctness=0.1),
        Row("Q one?", "en", id="d", solution=steps + ".", solution_format="pot", correctness=0.1),
        Row(
            "Q two, another one?", "en", id="e", solution=steps + ".", solution_format="cot", correctness=0.1
        ),
    ]
    judged = dedup(to_table(rows), settings=DedupSettings(solution_jaccard=0.85))
    assert reasons(judged) == ["dedup: exact of a", None, "dedup: jaccard 0.90 with a", None, None]
    assert kinds(dedup(to_table(rows), settings=DedupSettings(solution_jaccard=0.95)))[2] == "kept"


def test_equal_solutions_after_different_reasoning_are_different_rows() -> None:
    """The selector `traces` chooses among them later."""
    thoughts = [
        "Count on from three, five times: four, five, six, seven, eight.",
        "Take two of the five to fill up to five, and add the other three: eight.",
        "Count on from three,  five times: four, five, six, seven, eight.",
        None,
    ]
    rows = [
        Row(
            "Q?",
            "en",
            id=name,
            solution="3 + 5 = 8",
            solution_format="cot",
            reasoning=thought,
            correctness=quality,
        )
        for name, thought, quality in zip("abcd", thoughts, (0.9, 0.8, 0.7, 0.6), strict=True)
    ]
    assert reasons(dedup(to_table(rows))) == [None, None, "dedup: exact of a", None]


def test_a_duplicate_question_takes_all_its_rows_and_the_best_stays() -> None:
    first, second = "Compute  $2+2$ for me.", "Compute $2 + 2$ for me"
    rows = [
        Row(
            first,
            "en",
            id=f"{k}{k}",
            solution=f"way number {k} of many",
            solution_format="cot",
            correctness=0.5,
        )
        for k in range(3)
    ] + [Row(second, "en", id="best", solution="just so", solution_format="cot", correctness=0.6)]
    judged = dedup(to_table(rows))
    assert reasons(judged) == ["dedup: exact of best"] * 3 + [None]
    verified = to_table(
        [
            *rows[:2],
            Row(first, "en", id="v", solution="s", correctness=0.1, verdicts={"equivalent": "equal"}),
            rows[3],
        ]
    )
    assert reasons(dedup(verified)) == [None, None, None, "dedup: exact of v"]


def test_other_numbers_are_another_problem() -> None:
    table = questions(*(APPLES.format(a, a + 7) for a in range(2, 22)))
    assert kinds(similarity(table)) == ["kept"] * 20
    assert kinds(dedup(table)) == ["kept"] * 20
    assert kinds(similarity(table, settings=DedupSettings(guard="none"))) == ["kept"] + ["lcs"] * 19


def test_the_limit_per_template_counts_the_known_questions(tmp_path: Path) -> None:
    settings = DedupSettings(per_template=5)
    history = History.open(tmp_path).append(questions(APPLES.format(90, 91), APPLES.format(91, 92)), 1)
    table = questions(*(APPLES.format(a, a + 7) for a in range(2, 10)))
    judged = similarity(table, pool=[APPLES.format(50, 51)], history=history, settings=settings)
    assert kinds(judged) == ["kept"] * 2 + ["template:"] * 6
    assert reasons(judged)[-1] == "similarity: template: 5 questions that differ only in numbers are there"


def test_other_words_with_the_same_numbers_are_judged() -> None:
    table = questions(APPLES.format(3, 5), APPLES.format(3, 5).replace("on Sunday", "on Monday"))
    assert kinds(similarity(table)) == ["kept", "jaccard"]
    renamed = questions(APPLES.format(3, 5), APPLES.format(4, 6).replace("on Sunday", "on Monday"))
    assert kinds(similarity(renamed)) == ["kept", "lcs"]
    assert kinds(similarity(renamed, settings=DedupSettings(guard="numbers"))) == ["kept", "kept"]


def test_rouge_finds_what_jaccard_does_not() -> None:
    left = "one two three four five six seven eight nine ten eleven twelve thirteen"
    right = "one two xxx four five six xxx eight nine ten xxx twelve thirteen"
    assert reasons(similarity(questions(left, right)))[1].startswith("similarity: lcs 0.77 with ")  # type: ignore[union-attr]
    assert kinds(similarity(questions(left, right), settings=DedupSettings(rouge_l=0.8))) == [
        "kept",
        "kept",
    ]


def test_chinese() -> None:
    table = questions(
        "小明有3个苹果，又买了5个，一共有几个苹果？",
        "小明有3个苹果，又买了5个，一共有多少个苹果？",
        "小明有4个苹果，又买了5个，一共有几个苹果？",
        "求函数的导数并说明它在哪里为零。",
        language="zh",
    )
    assert kinds(similarity(table)) == ["kept", "lcs", "kept", "kept"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_duplicates_are_found_and_nothing_else(language: str) -> None:
    rng = random.Random(5)
    alphabet = (
        [f"{a}{b}" for a in WORDS for b in WORDS]
        if language == "en"
        else [chr(0x4E00 + k) for k in range(900)]
    )
    glue = " " if language == "en" else ""
    originals = [rng.choices(alphabet, k=24) for _ in range(60)]
    near = [[*words[:20], *rng.choices(alphabet, k=1), *words[21:]] for words in originals[:20]]
    texts = [glue.join(words) for words in [*originals, *near]]
    texts += [f"  {text}{'。' if language == 'zh' else '.'}" for text in texts[20:40]]
    judged = similarity(questions(*texts, language=language))
    assert kinds(judged)[:60] == ["kept"] * 60
    assert kinds(judged)[60:80] == ["jaccard"] * 20
    assert kinds(judged)[80:] == ["exact"] * 20
    ids = column(judged, "id")
    assert [why.split()[-1] for why in reasons(judged)[60:]] == ids[:40]  # type: ignore[union-attr]


def test_history_and_the_night_so_far(tmp_path: Path) -> None:
    texts = different(9)
    history = History.open(tmp_path / "h")
    history = history.append(questions(texts[0], texts[1]), 1).append(questions(texts[2]), 2)
    changed = texts[2].replace(texts[2].split()[5], "somewhere")
    table = questions(texts[0], texts[3], changed, texts[4], texts[4].upper().lower() + " ")
    judged = dedup(table, history=history, beside=questions(texts[3]))
    assert kinds(judged) == ["there", "there", "lcs", "kept", "exact"]
    assert str(reasons(judged)[2]).endswith(from_table(questions(texts[2]))[0].id)
    earlier = dedup(table, history=History.open(tmp_path / "h", version=1), beside=questions(texts[3]))
    assert kinds(earlier)[:3] == ["there", "there", "kept"]


def test_a_second_night_keeps_nothing_of_the_first(tmp_path: Path) -> None:
    table = questions(*different(40))
    first = dedup(table)
    history = History.open(tmp_path).append(first, 1)
    again = dedup(table, history=history)
    assert kept(first).num_rows > 30
    assert kept(again).num_rows == 0


@pytest.mark.slow
def test_a_history_opened_at_an_earlier_version_gives_the_decisions_of_that_version(tmp_path: Path) -> None:
    texts = different(60)
    nights = {version: questions(*texts[10 * version : 10 * version + 10]) for version in range(1, 5)}
    history = History.open(tmp_path / "grown")
    after = {}
    table = questions(*(text.replace(text.split()[3], "somewhere") for text in texts), *texts[15:40])
    for version, rows in nights.items():
        history = history.append(rows, version)
        after[version] = reasons(dedup(table, history=history))
    assert reasons(dedup(table, history=History.open(tmp_path / "grown", version=2))) == after[2]
    assert after[2] != after[4]


def test_long_texts_of_history_are_found_by_their_bands(tmp_path: Path) -> None:
    settings = DedupSettings(minhash_from=50, rouge_l=1.0)
    rng = random.Random(4)
    long = [" ".join(rng.choices([a + b for a in WORDS for b in WORDS], k=400)) for _ in range(4)]
    changed = [
        " ".join([*text.split()[:390], *["none", "of", "these", "was", "there", "before"]]) for text in long
    ]
    history = History.open(tmp_path).append(questions(*long[:2]), 1)
    judged = dedup(questions(*changed, long[3]), history=history, settings=settings)
    assert kinds(judged)[:3] == ["jaccard", "jaccard", "kept"]
    assert sorted(kinds(judged)[3:]) == ["jaccard", "kept"]


def test_rejected_rows_are_left_alone() -> None:
    rows = [
        Row("the same question here", "en", id="a", rejected="verify: wrong"),
        Row("the same question here", "en", id="b"),
    ]
    judged = dedup(to_table(rows))
    assert reasons(judged) == ["verify: wrong", None]
    assert column(judged, "verdicts") == [[], [("dedup", "unique")]]
    assert column(judged, "id") == ["a", "b"]


def test_the_order_of_the_rows_does_not_decide() -> None:
    texts = different(12)
    rows = [
        Row(
            text if k % 2 else text + " really",
            "en",
            id=f"{k}-{copy}",
            solution=f"{copy}",
            correctness=(k * 7 % 5) / 10,
        )
        for k, text in enumerate(texts)
        for copy in range(2)
    ] + [Row(text, "en", id=f"x{k}", solution="s", correctness=0.3) for k, text in enumerate(texts)]
    plain = dedup(to_table(rows))
    random.Random(3).shuffle(rows)
    shuffled = dedup(to_table(rows))
    assert dropped(plain).num_rows >= 8
    assert dict(zip(column(plain, "id"), reasons(plain), strict=True)) == dict(
        zip(column(shuffled, "id"), reasons(shuffled), strict=True)
    )


def test_nothing_at_all() -> None:
    empty = questions("x").slice(0, 0)
    assert dedup(empty).num_rows == similarity(empty).num_rows == 0
    done: list[int] = []
    similarity(questions("a b", "c d"), tick=done.append)
    assert sum(done) == 2


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="jaccard must lie"):
        DedupSettings(jaccard=0)
    with pytest.raises(ValueError, match="guard"):
        DedupSettings(guard="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="per_template"):
        DedupSettings(per_template=0)


def test_a_row_that_was_written_twice_is_no_copy_of_itself() -> None:
    twice = Row("How many legs do three dogs have?", "en", solution="12", solution_format="cot")
    other = Row("How many legs do three dogs have?", "en", solution="12 ", solution_format="cot", id="z")
    judged = dedup(to_table([twice, twice, other]))
    codes = [why and (why.code, dict(why.values)) for why in reasons_of(judged)]
    assert codes == [None, (Code.REPEATED, {}), (Code.EXACT, {"other": twice.id})]
    asked = questions("How many legs do three dogs have?", "How many legs do three dogs have?")
    assert [why and why.code for why in reasons_of(similarity(asked))] == [None, Code.REPEATED]
    assert [why and why.code for why in reasons_of(similarity(asked, pool=asked))] == [Code.REPEATED] * 2


@pytest.mark.parametrize("seed", range(5))
def test_no_duplicate_names_itself(seed: int) -> None:
    rng = random.Random(seed)
    rows = [
        Row(
            rng.choice(["Q one?", "Q  one?", "Q two?"]),
            "en",
            solution=rng.choice("ab"),
            solution_format="cot",
        )
        for _ in range(30)
    ]
    judged = dedup(to_table(rows), beside=to_table(rows[:3]))
    for row, why in zip(column(judged, "id"), reasons_of(judged), strict=True):
        assert why is None or why.values.get("other") != row


def test_a_question_is_no_near_duplicate_of_the_one_that_it_was_derived_from(tmp_path: Path) -> None:
    story = f"{' '.join(WORDS[:20])}. {APPLES}"
    parent = Row(story.format(17, 25), "en")
    text = story.format(17, "x") + " He has 42. What is x?"

    def judged(*parents: str) -> list[str | None]:
        verdicts = {DERIVED_FROM: " ".join(parents)} if parents else {}
        child = Row(text, "en", verdicts=verdicts)
        history = History.open(tmp_path / "history").append(to_table([parent]), 1)
        tables = [
            similarity(to_table([child]), pool=to_table([parent])),
            dedup(to_table([child]), history=history),
            # among rows of one table, whichever of them comes first
            similarity(to_table([parent, child])),
            similarity(to_table([child, parent])),
        ]
        return [why and why.code for table in tables for why in reasons_of(table)]

    assert judged().count(Code.NEAR) == 4
    assert judged("another").count(Code.NEAR) == 4
    assert judged("another", parent.problem_id) == [None] * 6
    exact = Row(parent.question, "en", id="copy", verdicts={DERIVED_FROM: parent.problem_id})
    (why,) = reasons_of(similarity(to_table([exact]), pool=to_table([parent])))
    assert why is not None
    assert why.code == Code.EXACT
