"""Prompts of an overlay: used instead of the project's own, checked when read, and part of what a stage's output depends on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import prompts
from flows.runner.resources import Tools
from flows.settings import Settings, SettingsError
from prompts import PromptError

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
    assert prompts.overlaid(overlay) == [mine]
    assert prompts.digest(overlay) != prompts.digest(None)


def test_a_copy_of_a_prompt_has_the_same_version(overlay: Path) -> None:
    for name in prompts.names():
        (overlay / f"{name}.md").write_bytes((prompts.HERE / f"{name}.md").read_bytes())
    assert prompts.digest(overlay) == prompts.digest(None)
    assert len(prompts.overlaid(overlay)) == len(prompts.names())


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
        prompts.overlaid(overlay)
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


def test_every_stage_loads_prompts_with_the_overlay() -> None:
    """A call of prompts.load without the overlay would ask with a prompt that the user has replaced."""
    bare = []
    for package in ("tasks", "flows"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) == "prompts.load"
                    and len(node.args) < 3
                    and not any(keyword.arg == "overlay" for keyword in node.keywords)
                ):
                    bare.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    # a critic is trained on the project's own prompt
    assert [place.partition(":")[0] for place in bare] == ["tasks/training/judgements.py"]
