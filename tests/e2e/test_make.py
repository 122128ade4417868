"""One method alone, as a user starts it: the same stages as in a night, published once, with its lineage."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code, reason
from storage.rows import SOLUTION_BY, TEXT, Row, to_table
from tasks.concepts.stored import StoredGraphs
from tasks.teacher.named_results import worked_named
from tasks.training.student import Shape, fresh
from tests.e2e.processes import Home, balanced
from tests.tasks.methods.derived_rows import drawn
from tests.tasks.methods.test_compose import KNOWN, of_families
from tests.tasks.methods.test_textbook_qa import passage

pytestmark = pytest.mark.e2e

ALONE = ("make", "self_instruct", "--dataset", "mine", "--target", "6")
QUICK = ("--set", "similarity.semantic=ignore", "--set", "solve.samples=2", "--set", "score.canaries=0")


def test_a_method_alone_passes_the_stages_of_a_night(home: Callable[..., Home]) -> None:
    one = home()
    version = one.json(*ALONE, *QUICK)
    lineage = version["lineage"]
    assert lineage["flow"] == "make"
    assert lineage["run"].startswith("make-")
    assert lineage["parameters"]["method"] == "self_instruct"
    assert lineage["parameters"]["generate"]["methods"] == {"self_instruct": 1.0}
    stages = [line["stage"] for line in lineage["funnel"]]
    assert {"generate", "similarity", "solve", "verify", "critique", "weigh", "dedup", "certify"} <= set(
        stages
    )
    assert "probe" not in stages
    for line in lineage["funnel"]:
        assert line["asked"] == line["kept"] + line["rejected"] + line["failed"]
    assert version["rows"] <= 6


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("make",), "setting method: none is given. Fix: "),
        (("make", "similr", "--dataset", "x"), "unknown method 'similr', the nearest is 'similar'"),
        (("make", "self_instruct"), "setting dataset: no name is given. Fix: "),
        (("make", "self_instruct", "--dataset", "x"), "setting target: self_instruct can make any number"),
        (
            ("make", "self_instruct", "nosuch", "--dataset", "x", "--target", "5"),
            "there is no dataset 'nosuch'",
        ),
    ],
)
def test_what_is_missing_is_one_line_with_its_fix(
    home: Callable[..., Home], words: tuple[str, ...], line: str
) -> None:
    done = home().run(*words, code=2)
    (last,) = [text for text in done.stderr.splitlines() if text.startswith("mathmill:")]
    assert line in last


BOOK = ("make", "textbook_qa", "books", "--dataset", "textbook-qa")


def with_passages(one: Home, count: int) -> Version:
    """Publish passages of a book in the home."""
    rows = [passage(number, language) for number in range(count) for language in ("en", "zh")]
    return Store(one.path).publish("books", [to_table(rows)], lineage={})


def test_a_method_on_documents_uses_each_passage_once_and_says_where_its_rows_come_from(
    home: Callable[..., Home],
) -> None:
    one = home()
    books = with_passages(one, 6)
    words = (*BOOK, *QUICK, "--set", "verify.known=0")
    stopped = one.run(*words, "--budget-tokens", "9000", code=3)
    assert "Continue   ./mathmill make textbook_qa books" in stopped.stdout
    assert Store(one.path).datasets() == ["books"]
    version = one.json(*words)
    lineage = version["lineage"]
    assert lineage["material"] == [{"version": str(books), "digest": books.digest, "rows": 12}]
    assert lineage["ended"]["by"] == "material"
    assert sum(cost["cached"] for cost in lineage["costs"]) > 0  # what the stopped run has paid for
    assert any(prompt.startswith("textbook_qa.en@") for prompt in lineage["prompts"])
    assert lineage["licenses"] == {"CC-BY-4.0": version["rows"]}
    store = Store(one.path)
    rows = store.read(store.resolve("textbook-qa")).to_pylist()
    printed = [row for row in rows if SOLUTION_BY in dict(row["verdicts"])]
    assert printed
    assert all(row["model"] is None and row["solution"] for row in printed)
    answered = [row for row in rows if row["reference_answer"]]
    assert answered
    assert all(dict(row["verdicts"])["equivalent"] == "equal" for row in answered)
    again = one.run(*words)
    assert "has made rows of every passage" in again.stderr
    assert len(store.versions("textbook-qa")) == 1


@pytest.mark.soak  # a run more; test_versions.py has rebuilds
def test_a_version_of_texts_is_rebuilt_from_its_candidates_without_a_call(home: Callable[..., Home]) -> None:
    one = home()
    with_passages(one, 6)
    outcome = one.json("make", "refine", "books", "--dataset", "articles", "--set", "verify.known=0")
    rebuilt = one.json("rebuild", "articles", "--set", "target=3")
    balanced(rebuilt["lineage"])
    assert outcome["rows"] > rebuilt["rows"] == 3
    store = Store(one.path)
    before, rows = (store.read(version).to_pylist() for version in store.versions("articles"))
    assert {row["kind"] for row in rows} == {TEXT}
    texts = {row["id"]: row["question"] for row in before}
    assert all(texts[row["id"]] == row["question"] for row in rows)
    assert sum(line["calls"] for line in rebuilt["lineage"].get("service", ())) == 0


def test_a_method_on_documents_needs_documents(home: Callable[..., Home]) -> None:
    one = home()
    none = one.run("make", "textbook_qa", "--dataset", "x", code=2).stderr
    assert (
        "setting material.versions: textbook_qa takes passages of documents, and none is named. Fix: " in none
    )


@pytest.mark.soak  # runs of one method; tests/tasks/methods has it
def test_a_method_on_rows_makes_rows_of_each_problem_once_and_of_real_mistakes(
    home: Callable[..., Home],
) -> None:
    one = home()
    store = Store(one.path)
    problems = drawn("make", every=5)
    version = store.publish("problems", [to_table(problems)], lineage={"run": "an earlier run"})
    mistakes = [
        Row(
            row.question,
            row.language,
            solution=f"It is {wrong}.",
            answer=wrong,
            reason=reason("verify", Code.DIFFERENT, answer=wrong, reference=str(row.reference_answer)),
        )
        for row in problems
        for wrong in ("1234567", "7654321", "-13579")
    ]
    store.append_candidates(to_table(mistakes), run="an earlier run", stage="verify")
    words = (
        *("make", "multiple_choice", "problems", "--dataset", "choices", "--target", "60"),
        *(*QUICK, "--set", "verify.known=0"),
    )
    published = one.json(*words)
    assert published["lineage"]["material"] == [
        {"version": str(version), "digest": version.digest, "rows": len(problems)}
    ]
    assert published["lineage"]["ended"]["by"] == "material"
    rows = store.read(store.resolve("choices")).to_pylist()
    asked = {row["problem_id"]: row["question"] for row in rows}
    assert len(asked) > 0.6 * len(problems)
    numbers = {row.question for row in problems if str(row.reference_answer).lstrip("-").isdigit()}
    of_numbers = [text for text in asked.values() if text.partition("\n\n")[0] in numbers]
    assert len(of_numbers) > 3
    assert all("1234567" in text and "-13579" in text for text in of_numbers)
    assert {row["license"] for row in rows} == {"CC0"}
    assert all(row["answer"] == row["reference_answer"] in "ABCD" for row in rows)


@pytest.mark.soak  # runs of one method; tests/tasks/methods has it
def test_a_rewording_that_hardly_differs_from_a_problem_of_the_material_is_dropped(
    home: Callable[..., Home],
) -> None:
    one = home()
    store = Store(one.path)
    problems = drawn("make", every=2)
    store.publish("problems", [to_table(problems)], lineage={})
    words = (
        "make",
        "rephrase",
        "problems",
        "--dataset",
        "reworded",
        "--target",
        "30",
        "--set",
        "verify.known=0",
    )
    one.json(*words, *QUICK, "--set", "generate.waves=1")
    dropped = one.sql(
        "SELECT question, rejected FROM rows WHERE stage = 'similarity' AND rejected IS NOT NULL"
    )
    of_material = [row for row in dropped if any(problem.id in row["rejected"] for problem in problems)]
    assert of_material
    assert {row["question"] for row in of_material}.isdisjoint(problem.question for problem in problems)


@pytest.mark.soak  # runs of one method; tests/tasks/methods has it
def test_new_solutions_of_published_questions_are_chosen_among(home: Callable[..., Home]) -> None:
    one = home()
    store = Store(one.path)
    problems = drawn("make", every=8)
    store.publish("problems", [to_table(problems)], lineage={})
    words = (
        "make",
        "distill",
        "problems",
        "--dataset",
        "distilled",
        "--target",
        "200",
        "--set",
        "verify.known=0",
    )
    shape = Shape(hidden=32, feedforward=64, layers=1, heads=2, context=2048, vocabulary=400)
    fresh([row.question for row in problems], one.path / "models" / "tiny", seed=1, shape=shape)
    by = '{"traces": {"by": "rank_surprisal", "model": "hf:tiny", "methods": ["distill"]}}'
    lineage = one.json(*words, "--set", "score.canaries=0", "--set", f"select.by={by}")["lineage"]
    assert lineage["ended"]["by"] == "material"
    compared = {line["criterion"]: line for line in lineage["traces"]["criteria"]}
    assert compared["rank_surprisal"]["common"] == 1.0
    assert len({line["rows"] for line in compared.values()}) == 1
    assert compared["rank_surprisal"]["rank_surprisal"] == min(
        line["rank_surprisal"] for line in compared.values()
    )
    assert compared["log_probability"]["log_probability"] == max(
        line["log_probability"] for line in compared.values()
    )
    rows = store.read(store.resolve("distilled")).to_pylist()
    asked = {row.problem_id: row.reference_answer for row in problems}
    assert len(rows) == len({row["problem_id"] for row in rows}) > 0.5 * len(problems)
    page = (one.path / "reports" / f"{store.resolve('distilled')}.html").read_text()
    assert page.count('data-of="mean rank surprisal"') == len(compared)
    for row in rows:
        assert 0 < dict(row["scores"])["naturalness"] < 1
        assert row["reasoning"]
        assert "<think>" not in row["solution"]
        assert row["reference_answer"] == asked[row["problem_id"]]
        assert row["prompt"].startswith("distill.")
    # the embedded teacher's solutions of a question are often nearly the same, and de-duplicated before the choice
    others = [line for line in lineage["funnel"] if line["stage"] in ("dedup", "select")]
    assert sum(line["rejected"] for line in others) > 0


@pytest.mark.soak  # runs of one method; tests/tasks/concepts has graphs
def test_the_graphs_of_concepts_are_stored_named_and_drawn(home: Callable[..., Home]) -> None:
    one = home()
    store = Store(one.path)
    store.publish("problems", [to_table(drawn("make", every=3))], lineage={})
    words = ("make", "concepts", "problems", "--dataset", "sets", "--target", "12", "--set", "verify.known=0")
    lineage = one.json(*words, *QUICK)["lineage"]
    assert {record["language"] for record in lineage["concepts"]} == {"en", "zh"}
    stored = StoredGraphs(one.path)
    for record in lineage["concepts"]:
        graph = stored.read(record["digest"])
        assert graph is not None
        assert (graph.concepts, graph.pairs) == (record["concepts"], record["pairs"])
        assert graph.digest == record["digest"]
    version = store.resolve("sets")
    page = (one.path / "reports" / f"{version}.html").read_text()
    assert page.count('class="concepts"') == 2
    assert lineage["concepts"][-1]["digest"] in page
    named = {orjson.loads(row["params"])["graph"] for row in store.read(version).to_pylist()}
    assert named
    assert named <= {record["digest"] for record in lineage["concepts"]}


@pytest.mark.soak  # runs of one method; tests/tasks/concepts has graphs
def test_concepts_of_rows_without_any_are_extracted_once_and_kept(home: Callable[..., Home]) -> None:
    """The project's seeds name no concepts, nor do passages of a book: the teacher is asked about each text once, ever."""
    one = home()
    with_passages(one, 4)
    words = ("make", "concepts", "books", "--dataset", "sets", "--target", "8", "--set", "verify.known=0")
    seeds = ("--set", "seeds.own=true")
    first = one.json(*words, *QUICK, *seeds)["lineage"]
    (line, material) = [line for line in first["funnel"] if line["stage"] == "extract_concepts"]
    assert line["kept"] > 0.7 * line["asked"] > 0
    assert material["asked"] == 8
    for entry in (line, material):
        assert entry["asked"] == entry["kept"] + entry["rejected"] + entry["failed"]
    assert {record["language"] for record in first["concepts"]} == {"en", "zh"}
    graphs = [StoredGraphs(one.path).read(record["digest"]) for record in first["concepts"]]
    assert all(graph is not None and graph.pairs > 5 for graph in graphs)
    again = one.json(*words, *QUICK, *seeds, "--target", "12")["lineage"]
    asked = [entry for entry in again["service"] if entry["tag"] == "extract_concepts"]
    assert sum(entry["calls"] for entry in asked) == 0
    assert (
        next(entry["kept"] for entry in again["funnel"] if entry["stage"] == "extract_concepts")
        == line["kept"]
    )
    rebuilt = one.json("rebuild", "sets", "--set", "force=true")["lineage"]
    assert rebuilt["concepts"] == again["concepts"]


@pytest.mark.soak  # runs of one method; tests/tasks/lifting has it
def test_functions_of_verified_programs_become_problems_of_a_version(home: Callable[..., Home]) -> None:
    one = home()
    store = Store(one.path)
    rows = of_families(30, *KNOWN)
    store.publish("programs", [to_table(rows)], lineage={})
    words = (
        "make",
        "compose",
        "programs",
        "--dataset",
        "composed",
        "--target",
        "20",
        "--set",
        "verify.known=0",
    )
    lineage = one.json(*words, *QUICK)["lineage"]
    assert lineage["ended"]["by"] == "material"
    assert any(name.startswith("compose.en@") for name in lineage["prompts"])
    written = [line for line in lineage["funnel"] if line["stage"] == "generate"]
    assert sum(line["kept"] for line in written) >= 3
    composed = store.read(store.resolve("composed")).to_pylist()
    assert composed
    parents = {row.id for row in rows}
    for row in composed:
        assert (row["method"], row["solution_format"]) == ("compose", "pot")
        assert set(row["parent_ids"]) <= parents
        assert len(row["parent_ids"]) >= 2
        assert row["answer"] == row["reference_answer"]
        worked = worked_named(row["question"], "en")
        assert worked is not None
        assert worked.answer == row["answer"]
