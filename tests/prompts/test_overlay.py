"""Prompts of an overlay: used instead of the project's own, checked when read, and part of what a stage's output depends on."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

import prompts
from flows.runner.publication import prompts_of
from flows.runner.resources import Tools
from flows.settings import Settings, SettingsError
from prompts import PromptError
from prompts.overlay import digest, overlaid
from storage.datasets.store import Store
from storage.ledger import Ledger
from storage.rows import Row, kept, to_table
from tasks.conditions import conditions
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.methods import EXAMPLE, asks_table, self_instruct
from tasks.stages.generate import generate
from tasks.stages.solve import SolveSettings, solve

ROOT = Path(__file__).parents[2]
FRONT = "---\npurpose: mine\ntemperature: 0.2\n---\n"


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "overlay"
    folder.mkdir()
    return folder


def test_a_prompt_of_the_overlay_is_used_and_the_others_are_not_replaced(overlay: Path) -> None:
    (overlay / "solve_cot.en.md").write_text(f"{FRONT}Answer: {{{{ question }}}}")
    mine = prompts.load("solve_cot", "en", overlay)
    assert mine.messages(question="1 + 1?") == [{"role": "user", "content": "Answer: 1 + 1?"}]
    assert (mine.overlaid, mine.front.temperature) == (True, 0.2)
    assert mine.ref != prompts.load("solve_cot", "en").ref
    assert prompts.load("solve_cot", "zh", overlay) == prompts.load("solve_cot", "zh")
    assert overlaid(overlay) == [mine.ref]
    assert digest(overlay) != digest(None)


def test_a_copy_of_a_prompt_has_the_same_version(overlay: Path) -> None:
    for name in prompts.names():
        (overlay / f"{name}.md").write_bytes((prompts.HERE / f"{name}.md").read_bytes())
    assert digest(overlay) == digest(None)
    assert len(overlaid(overlay)) == len(prompts.names())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("solve_cot.en", "{{ question }}", r"solve_cot\.en\.md: must begin with front matter"),
        ("solve_cot.en", "---\npurpose: [\n---\n{{ question }}", r"front matter: "),
        ("solve_cot.en", "---\npurpose: x\ntemprature: 1\n---\n{{ question }}", r"front matter: temprature: "),
        ("solve_cot.en", "---\npurpose: x\nmax_tokens: 0\n---\n{{ question }}", r"front matter: max_tokens: "),
        ("solve_cot.en", f"{FRONT}{{{{ question ", r"template, line 1 of it: "),
        ("solve_cot.en", f"{FRONT}{{% if question %}}", r"template, line 1 of it: "),
        ("solve_cot.en", f"{FRONT}{{{{ question }}}} {{{{ answer }}}}", r"unknown variable answer"),
        ("solve_cot.en", f"{FRONT}Solve it.", r"does not show \{\{ question \}\}"),
        ("critique.zh", f"{FRONT}{{{{ question }}}}", r"does not show \{\{ solution \}\}"),
        ("solv_cot.en", f"{FRONT}{{{{ question }}}}", r"solv_cot\.en\.md: there is no prompt of that name"),
        ("critique.en", "---\npurpose: x\nschema_name: Problems\n---\n{{ question }}", r"schema_name: 'Problems'"),
        ("critique.en", "---\npurpose: x\nschema_name: Score\n---\n{{ question }}", r"no schema 'Score'"),
    ],
)  # fmt: skip
def test_a_prompt_that_cannot_be_used_is_refused_in_one_line(
    overlay: Path, name: str, text: str, message: str
) -> None:
    (overlay / f"{name}.md").write_text(text)
    with pytest.raises(PromptError, match=message) as raised:
        overlaid(overlay)
    assert "Fix: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_template_that_fails_when_it_is_rendered_names_its_file(overlay: Path) -> None:
    (overlay / "solve_cot.en.md").write_text(f"{FRONT}{{{{ question + 1 }}}}")
    with pytest.raises(PromptError, match=r"solve_cot\.en\.md cannot be rendered.*Fix: "):
        prompts.load("solve_cot", "en", overlay).messages(question="?")


def test_the_overlay_is_a_setting_or_a_folder_of_the_home(overlay: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert Settings(home=home).overlay() is None
    (home / "prompts").mkdir()
    assert Settings(home=home).overlay() == home / "prompts"
    chosen = Settings(home=home, prompts=overlay)
    assert chosen.overlay() == overlay
    assert chosen.endpoint("critic").prompts == overlay
    with pytest.raises(SettingsError, match=r"MATHMILL_PROMPTS: .* is no folder. Fix: "):
        Settings(home=home, prompts=tmp_path / "missing").overlay()


def test_what_models_are_asked_is_part_of_the_address_of_an_output(overlay: Path, tmp_path: Path) -> None:
    (overlay / "solve_pot.zh.md").write_text(f"{FRONT}{{{{ question }}}}")
    plain, replaced = (Tools(Settings(home=tmp_path, prompts=folder)) for folder in (None, overlay))
    assert plain.prompts() != replaced.prompts()


@pytest.mark.slow
def test_everything_loads_prompts_and_conditions_with_the_overlay() -> None:
    """A call without the overlay would ask with a prompt or conditions that the user has replaced."""
    bare = set()
    position = {"prompts.load": 3, "conditions": 1}  # how many arguments a call has that states the overlay
    for package in ("tasks", "flows"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and (least := position.get(ast.unparse(node.func)))
                    and len(node.args) < least
                    and not any(keyword.arg == "overlay" for keyword in node.keywords)
                ):
                    bare.add(str(path.relative_to(ROOT)))
    # the embedded teacher reads what it is asked; which concepts it knows does not depend on the user's file
    assert bare == {"tasks/teacher/topics.py"}


CONDITIONS = prompts.HERE / "conditions.yaml"


def own_conditions(**changed: object) -> str:
    """Return the text of a file of conditions in which some keys are changed; None leaves a key out."""
    record = yaml.safe_load(CONDITIONS.read_bytes()) | changed
    stated = {key: value for key, value in record.items() if value is not None}
    return yaml.safe_dump(stated, allow_unicode=True)


def test_conditions_of_the_overlay_are_used_and_have_a_version_of_their_own(overlay: Path) -> None:
    (overlay / "conditions.yaml").write_text(own_conditions(contexts=[["a mine", "煤矿"]]), encoding="utf-8")
    mine = conditions(overlay)
    assert mine.contexts == (("a mine", "煤矿"),)
    assert mine.kinds == conditions().kinds
    assert mine.version != conditions().version
    assert overlaid(overlay) == [mine.version]
    assert digest(overlay) != digest(None)
    asks = self_instruct.plan(
        to_table([]).select(EXAMPLE),
        {("en", "probability"): 60, ("zh", "limits"): 60},
        per_call=2,
        examples=0,
        seed=1,
        overlay=overlay,
    )
    assert {ask.variables["context"] for ask in asks} == {"a mine", "煤矿", *mine.bare}


def test_a_copy_of_the_conditions_has_the_same_version(overlay: Path) -> None:
    (overlay / "conditions.yaml").write_bytes(CONDITIONS.read_bytes())
    assert conditions(overlay) == conditions()
    assert digest(overlay) == digest(None)
    assert overlaid(overlay) == [conditions().version]


def test_conditions_without_stories_are_all_of_pure_mathematics(overlay: Path) -> None:
    (overlay / "conditions.yaml").write_text(own_conditions(stories=[]), encoding="utf-8")
    stated = [conditions(overlay).of_call("en", "limits", index, 1, 3) for index in range(30)]
    assert {one["context"] for one in stated} == {conditions().bare[0]}


def without(key: str, name: str) -> dict[str, object]:
    record = yaml.safe_load(CONDITIONS.read_bytes())[key]
    return {key: {kept: value for kept, value in record.items() if kept != name}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kinds: [", r"conditions\.yaml: while parsing"),
        ("- 1", r"conditions\.yaml: Input should be"),
        ("", r"conditions\.yaml: Input should be"),
        (own_conditions(kinds=None), r"conditions\.yaml: kinds: Field required"),
        (own_conditions(kinds=[]), r"conditions\.yaml: kinds: .* at least 1"),
        (own_conditions(bare=["only English"]), r"conditions\.yaml: bare.*: Field required"),
        (own_conditions(contexts=[["a farm", "农场"], ["a mine", 7]]), r"conditions\.yaml: contexts\.1\.1: "),
        (own_conditions(contexts=[["a farm", " "]]), r"conditions\.yaml: contexts\.0\.1: .* at least 1"),
        (own_conditions(contexts=[["a\nfarm", "农场"]]), r"conditions\.yaml: contexts\.0\.0: "),
        (own_conditions(contxts=[["a farm", "农场"]]), r"conditions\.yaml: contxts: Extra inputs"),
        (own_conditions(**without("concepts", "limits")), r"conditions\.yaml: concepts: without limits"),
        (own_conditions(**without("answers", "algebra")), r"conditions\.yaml: answers: without algebra"),
        (own_conditions(answers={"alchemy": [["gold", "金"]]}), r"conditions\.yaml: answers: .*'alchemy'"),
    ],
)
def test_conditions_that_cannot_be_used_are_refused_in_one_line(
    overlay: Path, text: str, message: str
) -> None:
    (overlay / "conditions.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PromptError, match=message) as raised:
        overlaid(overlay)
    assert "Fix: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_generated_rows_name_the_replaced_conditions(overlay: Path, tmp_path: Path) -> None:
    (overlay / "conditions.yaml").write_text(own_conditions(contexts=[["a mine", "煤矿"]]), encoding="utf-8")
    asks = asks_table(
        self_instruct.plan(
            to_table([]).select(EXAMPLE), {("en", "probability"): 30}, per_call=3, examples=0, seed=1, overlay=overlay
        )
    )  # fmt: skip
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        endpoint = Endpoint("teacher", "embedded", prompts=overlay)
        with Engine(endpoint, ledger) as engine:
            done = generate(
                asks, engine=engine, source="generated", license="Apache-2.0", tick=lambda rows: None
            )
    stated = [json.loads(params)["conditions"] for params in done.rows.column("params").to_pylist()]
    assert {one["version"] for one in stated} == {conditions(overlay).version}
    assert "a mine" in {one["context"] for one in stated}


def test_a_prompt_change_shows_in_the_lineage_of_the_next_version_and_nowhere_else(
    overlay: Path, tmp_path: Path
) -> None:
    text = (prompts.HERE / "solve_cot.en.md").read_text(encoding="utf-8")
    (overlay / "solve_cot.en.md").write_text(
        text.replace("one step per line", "one short step per line"), encoding="utf-8"
    )
    store, ledger = Store(tmp_path / "home"), Ledger.open(str(tmp_path / "ledger.sqlite"))
    versions = []
    for number, folder in ((30, None), (40, overlay)):
        questions = to_table([Row(f"What is 12 + {number}?", "en"), Row(f"12 + {number} 等于多少？", "zh")])
        engine = Engine(Endpoint(role="reasoner", model="embedded", prompts=folder), ledger)
        solved = solve(
            questions, engine=engine, settings=SolveSettings(samples=2), seed=1, tick=lambda n: None
        ).rows
        engine.close()
        versions.append(store.publish("math", [kept(solved)], lineage={"prompts": prompts_of(solved)}))
    ledger.close()
    before, after = (set(version.lineage["prompts"]) for version in versions)
    assert before - after == {prompts.load("solve_cot", "en").ref}
    assert after - before == {prompts.load("solve_cot", "en", overlay).ref}
    assert {ref.partition("@")[0] for ref in before & after} == {
        "solve_cot.zh",
        "solve_pot.en",
        "solve_pot.zh",
    }
    assert store.resolve(versions[0]).lineage["prompts"] == sorted(before)
    assert (
        prompts.load("solve_cot", "en", overlay).ref
        not in store.read(versions[0]).column("prompt").to_pylist()
    )
