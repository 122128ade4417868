"""An unknown name is refused before anything is paid, trained or published."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.config.critic import TrainCritic
from flows.config.import_dataset import Import
from flows.config.loading import ConfigError, load_as
from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from flows.config.verdict import Verdict
from flows.settings import SettingsError, load_settings
from storage.ledger import LedgerError
from storage.ledger.schema import location


@pytest.mark.parametrize(
    ("kind", "setting", "nearest"),
    [
        (Nightly, "score.thresholds.anser=0.5", "'answer'"),
        (Nightly, "score.scorers=[critiqe]", "'critique'"),
        (Nightly, "generate.methods={self_instuct: 1}", "'self_instruct'"),
        (Nightly, "generate.settings={refin: {}}", "'refine'"),
        (Nightly, "generate.settings={refine: {thinkin: true}}", "refine.thinkin: "),
        (Nightly, "generate.settings={refine: {coverage: 2}}", "refine.coverage: "),
        (Nightly, "generate.settings={similar: {x: 1}}", "similar has no settings of its own"),
        (Nightly, "generate.subdomains=[algbera]", "there are: "),
        (Nightly, "decontaminate.rules=[ngram12]", "'ngram13'"),
        (Nightly, "mix.shares={formt: {cot: 0.5}}", "'format'"),
        (Nightly, "mix.shares={format: {cott: 0.5}}", "'cot'"),
        (Nightly, "mix.shares={domain: {algebr: 0.5}}", "'algebra'"),
        (Nightly, "mix.at_least={algebr: 0.5}", "'algebra'"),
        (Nightly, "solve.sampels=3", "Fix: use solve.samples; "),
        (Rebuild, "thresholds.nosuch=0.5", "there are: "),
        (Rebuild, "thresholds.instrucion=0.5", "'instruction'"),
        (Rebuild, "without.sorce=[web]", "'source'"),
        (Rebuild, "only.languag=[en]", "'language'"),
        (Rebuild, "scorers=[heuristic]", "'heuristics'"),
        (Rebuild, "rescore=[critic]", "'critique'"),
        (Rebuild, "rules=[exat]", "'exact'"),
        (Verdict, "without=nosuch", "there are: "),
        (Verdict, "without=sources", "'source'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(kind, setting, nearest):
    with pytest.raises(ConfigError) as caught:
        load_as(kind, None, [setting])
    line = str(caught.value)
    assert "\n" not in line
    assert nearest in line
    assert line.startswith(f"setting {setting.partition('=')[0].split('.')[0]}")


@pytest.mark.parametrize(
    "setting",
    [
        "generate.methods={self_instruct: .nan}",
        "generate.methods={self_instruct: .inf}",
        "generate.methods={self_instruct: -1}",
        "generate.methods={self_instruct: 0}",
        "generate.methods={}",
        "mix.boost=.nan",
        "mix.boost=.inf",
        "mix.shares={format: {cot: -0.1}}",
        "mix.shares={format: {cot: .nan}}",
        "budget.usd=.nan",
        "budget.usd=.inf",
        "score.thresholds={answer: .nan}",
        "verify.sure=.nan",
    ],
)
def test_numbers_that_are_none_are_refused(setting):
    with pytest.raises(ConfigError) as caught:
        load_as(Nightly, None, [setting])
    assert "\n" not in str(caught.value)


def test_known_names_are_taken():
    chosen = load_as(Rebuild, None, ["thresholds={answer: 0.7, heuristics: 0.1}", "without.source=[web]"])
    assert chosen.thresholds == {"answer": 0.7, "heuristics": 0.1}
    assert load_as(Verdict, None, ["without=method"]).without == "method"
    assert load_as(Nightly, None, ["generate.methods={self_instruct: 2, similar: 1}"]).generate.methods


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MATHMILL_TEACHR__MODEL", "MATHMILL_TEACHER__MODEL"),
        ("MATHMILL_TEACHER__MODLE", "MATHMILL_TEACHER__MODEL"),
        ("MATHMILL_TEACHER_MODEL", "MATHMILL_TEACHER__MODEL"),
        ("MATHMILL_RUNER", "MATHMILL_RUNNER"),
        ("MATHMILL_HOME__X", "MATHMILL_HOME"),
        ("mathmill_in_fligth", "MATHMILL_IN_FLIGHT"),
        ("MATHMILL_ZZZZZZZZ", "unset it"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_an_unknown_variable_is_refused_with_the_nearest(name, nearest, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if place == "environment":
        monkeypatch.setenv(name, "x")
    else:
        monkeypatch.delenv("MATHMILL_ENV_FILE")
        Path(".env").write_text(f"{name}=x\nOTHER=1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.upper().startswith(name.upper())
    assert nearest in line
    assert "\n" not in line


def test_known_variables_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MATHMILL_ENV_FILE")
    Path(".env").write_text("MATHMILL_TEACHER__MODEL=embedded\nOTHER=1\n")
    monkeypatch.setenv("MATHMILL_SERVE_API_KEY", "k")
    monkeypatch.setenv("MATHMILL_TEACHER__HEADERS", '{"x": "y"}')
    monkeypatch.setenv("MATHMILL_VLLM_OPTIONS", "{}")
    assert load_settings().teacher.model == "embedded"


SECRET = "s3cr3t-8Qw2ZrT5yUi0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MATHMILL_TEACHER", f'{{"api_key": "{SECRET}'),
        ("MATHMILL_TEACHER__HEADERS", f'{{"X-Auth": "{SECRET}"'),
        ("MATHMILL_TEACHER__HEADERS", f'["{SECRET}"]'),
        ("MATHMILL_TEACHER__BASE_URL", f"ftp://user:{SECRET}@host/v1"),
        ("MATHMILL_TEACHER__BASE_URL", f'["http://user:{SECRET}@host/v1"'),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_and_its_secret_is_not_shown(
    name, value, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "MATHMILL_TEACHER" in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value.with_traceback(None)))
    assert SECRET not in shown


@pytest.mark.parametrize(
    "url", ["postgresql://u:pa/{}@host:1x/db", "postgresql://u:{}@host:port/db", "postgresql//u:{}@host/db"]
)
def test_a_ledger_that_is_no_url_is_refused_without_its_password(url):
    with pytest.raises(LedgerError, match="MATHMILL_LEDGER") as caught:
        location(url.format(SECRET))
    assert SECRET not in "".join(traceback.format_exception(caught.value.with_traceback(None)))


def test_an_endpoint_knows_the_secrets_of_all_roles_and_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secrets = [f"{SECRET}-{number}" for number in range(6)]
    monkeypatch.setenv("MATHMILL_CRITIC__API_KEY", secrets[0])
    monkeypatch.setenv("MATHMILL_REASONER__HEADERS", json.dumps({"X-Auth": secrets[1]}))
    monkeypatch.setenv("MATHMILL_LEDGER", f"postgresql://user:{secrets[2]}@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets[3])
    monkeypatch.setenv("HF_TOKEN", secrets[4])
    monkeypatch.setenv("MATHMILL_STUDENT__BASE_URL", f"http://user:{secrets[5]}@host/v1")
    monkeypatch.setenv("MATHMILL_STUDENT__MODEL", "m")
    end = load_settings().endpoint("teacher")
    assert set(secrets) <= set(end.secrets)
    for secret in secrets:
        assert secret not in repr(end)
        assert end.redact(f"you sent {secret}") == "you sent ***"


def test_everything_that_is_wrong_in_the_environment_is_named_at_once(monkeypatch):
    monkeypatch.setenv("MATHMILL_TEACHR__MODEL", "x")
    monkeypatch.setenv("MATHMILL_TEACHER__MODLE", "x")
    monkeypatch.setenv("MATHMILL_IN_FLIGHT", "0")
    monkeypatch.setenv("MATHMILL_RUNNER", "none")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    named = {message.partition(":")[0]: message for message in caught.value.args}
    assert sorted(named) == [
        "MATHMILL_IN_FLIGHT", "MATHMILL_RUNNER", "MATHMILL_TEACHER__MODLE", "MATHMILL_TEACHR__MODEL",
    ]  # fmt: skip
    assert all(" Fix: " in message for message in named.values())
    assert str(caught.value).splitlines() == list(caught.value.args)


def test_every_role_without_an_address_is_named_at_once(monkeypatch):
    monkeypatch.setenv("MATHMILL_TEACHER__MODEL", "a")
    monkeypatch.setenv("MATHMILL_CRITIC__MODEL", "b")
    with pytest.raises(SettingsError) as caught:
        load_settings().require_models(("teacher", "reasoner", "critic"))
    first, second = caught.value.args  # the reasoner is the teacher's model
    assert first.startswith("MATHMILL_TEACHER__MODEL is 'a'")
    assert "Fix: set MATHMILL_TEACHER__BASE_URL" in first
    assert "Fix: set MATHMILL_CRITIC__BASE_URL" in second
    monkeypatch.setenv("MATHMILL_TEACHER__BASE_URL", "http://a/v1")
    load_settings().require_models(("teacher", "reasoner"))


def test_every_checkpoint_that_is_not_there_is_named_at_once(monkeypatch):
    monkeypatch.setenv("MATHMILL_TEACHER__MODEL", "hf:/nosuch")
    monkeypatch.setenv("MATHMILL_SAMPLERS__MODELS", '[{"model": "hf:/neither"}, {"model": "embedded"}]')
    with pytest.raises(SettingsError) as caught:
        load_settings().require_models(("teacher", "reasoner", "samplers"))
    first, second = caught.value.args
    assert first == "MATHMILL_TEACHER__MODEL=hf:/nosuch: there is no folder /nosuch. Fix: check the path"
    assert "model of hf:/neither in MATHMILL_SAMPLERS__MODELS" in second
    assert "there is no folder /neither. Fix: check the path" in second


def test_every_wrong_setting_of_a_run_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        load_as(Nightly, None, ["targets=3", "mix.boost=.nan", "solve", "seed=[", "seeds.files=a"])
    assert [message.partition(":")[0] for message in caught.value.args] == [
        "--set solve", "--set seed=[, line 1, column 2", "setting seeds.files", "setting mix.boost", "setting targets",
    ]  # fmt: skip
    assert all(" Fix: " in message for message in caught.value.args)


def test_a_setting_may_have_the_name_of_a_parameter_of_the_reader() -> None:
    assert load_as(TrainCritic, None, [], kind="process").kind == "process"
    assert load_as(Import, None, [], kind="chat", license="MIT").kind == "chat"


@pytest.mark.parametrize("words", [("critic", "train", "--kind", "process"), ("import", "--kind", "chat")])
def test_the_option_of_such_a_setting_is_read(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--show-config"])
    assert done.exit_code == 0, done.exception
    assert f"kind: {words[-1]}" in done.stdout


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/b", ".."])
def test_a_critic_is_stored_below_the_home(name: str) -> None:
    with pytest.raises(ConfigError, match="setting name: "):
        load_as(TrainCritic, None, [], name=name)
