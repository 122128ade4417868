"""Configuration and settings: their layers, and one clear line for invalid values."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

import flows
from flows.config.loading import ConfigError, as_yaml
from flows.config.make import Make
from flows.config.nightly import Nightly, load_config
from flows.settings import Role, Settings, SettingsError, load_settings
from tasks.llm.endpoint import EndpointError
from tasks.settings import Section


def test_layers_override_each_other(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    file.write_text("target: 10\nsolve:\n  samples: 8\n")
    config = load_config(
        file, ["solve.pot_share=0.25", "generate.subdomains=[limits]"], target=20, seeds__files=["a.jsonl"]
    )
    assert (config.target, config.solve.samples, config.solve.pot_share) == (20, 8, 0.25)
    assert config.seeds.files == ["a.jsonl"]
    assert config.generate.subdomains == ["limits"]
    assert load_config(file, [], target=None).target == 10


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["solve.sample=8"], "setting solve.sample: there is no such setting"),
        (["target"], "--set target: no value is given. Fix: write KEY=VALUE"),
        (["target=many"], "setting target: "),
        (["target=0"], "greater than or equal to 1"),
        (["generate.subdomains=[sums]"], "unknown subdomain 'sums'"),
        (["mix.shares={colour: {red: 0.1}}"], "unknown dimension 'colour'"),
        (["dataset=../etc"], "setting dataset: "),
        (["target.x=1", "target.x.y=2"], "target.x.y=2: x is no group of settings"),
    ],
)
def test_what_does_not_fit_is_named(sets: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=".") as error:
        load_config(None, sets)
    assert expected in str(error.value)
    assert all("\n" not in message for message in error.value.args)


@pytest.mark.parametrize("text", ["- a list", "target: [", "\tx"])
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "night.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="night.yaml"):
        load_config(file, [])
    with pytest.raises(ConfigError, match="missing.yaml"):
        load_config(tmp_path / "missing.yaml", [])


def test_the_printed_configuration_is_one_that_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    config = load_config(None, ["target=7", "weakness.share=0"])
    file.write_text(as_yaml(config))
    assert load_config(file, []) == config
    assert Nightly.model_validate(Nightly().model_dump(mode="json")) == Nightly()


def test_roles_follow_the_teacher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert [load_settings().role(r).model for r in ("teacher", "reasoner", "critic", "student")] == [
        "embedded",
        "embedded",
        "embedded",
        "embedded-small",
    ]
    monkeypatch.setenv("MATHMILL_TEACHER__MODEL", "big")
    monkeypatch.setenv("MATHMILL_TEACHER__BASE_URL", "http://a:1/v1, http://b:1/v1")
    monkeypatch.setenv("MATHMILL_TEACHER__API_KEY", "sk-secret")
    monkeypatch.setenv("MATHMILL_CRITIC__MODEL", "embedded")
    settings = load_settings()
    assert settings.role("student") == settings.teacher
    assert settings.endpoint("reasoner").base_urls == ("http://a:1/v1", "http://b:1/v1")
    assert settings.role("critic").model == "embedded"
    assert "sk-secret" not in repr(settings) + str(settings.model_dump())


def test_settings_come_from_dot_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MATHMILL_ENV_FILE")
    (tmp_path / ".env").write_text("MATHMILL_HOME=elsewhere\nMATHMILL_TEACHER__PRICE_IN=0.15\n")
    settings = load_settings()
    assert settings.home == Path("elsewhere")
    assert settings.teacher.price_in == 0.15


def test_wrong_settings_name_their_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATHMILL_TEACHER__PRICE_IN", "-1")
    with pytest.raises(SettingsError, match="MATHMILL_TEACHER__PRICE_IN"):
        load_settings()
    monkeypatch.setenv("MATHMILL_TEACHER__PRICE_IN", "1")
    monkeypatch.setenv("MATHMILL_TEACHER__BASE_URL", "localhost:8000")
    with pytest.raises((SettingsError, EndpointError), match="http"):
        load_settings().endpoint("teacher")


def test_a_model_without_an_address_is_refused() -> None:
    settings = Settings(teacher=Role(model="gpt-x", api_key=SecretStr("k")))
    with pytest.raises(SettingsError, match="MATHMILL_TEACHER__BASE_URL"):
        settings.endpoint("teacher")


def test_the_form_of_make_begins_with_the_method() -> None:
    assert next(iter(Make.model_json_schema()["properties"])) == "method"


def test_descriptions_of_settings_have_no_angle_brackets() -> None:
    for path in Path(flows.__file__).parent.rglob("config/*.py"):
        importlib.import_module(f"flows.config.{path.stem}" if path.stem != "__init__" else "flows.config")
    classes = [Section, Settings, Role]
    for one in classes:  # grows by the subclasses
        classes += [kind for kind in one.__subclasses__() if kind not in classes]
    described = {
        f"{one.__name__}.{name}": info.description or ""
        for one in classes
        for name, info in one.model_fields.items()
    }
    assert len(described) > 200
    # a form takes <word> for HTML and does not show it
    assert [name for name, text in described.items() if re.search(r"<\w", text)] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mix.per_question=1", "there is no such setting. Fix: use mix.per_problem;"),
        ("targets=3", "there is no such setting. Fix: use target;"),
        ("generate.languages=[en]", "it takes values by name. Fix: write it such as generate.languages='{en: 0."),
        ("seeds.files=a", "it takes a list. Fix: write it such as seeds.files='[one, another]';"),
        ("mix=3", "it takes a group of settings. Fix: write it such as mix='{name: value}';"),
    ],
)  # fmt: skip
def test_a_wrong_setting_says_what_is_meant(given: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=".") as error:
        load_config(None, [given])
    assert expected in str(error.value)
