"""`mathmill ledger`, `mathmill setup vllm` and the deployment files, through the command line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.app import app
from flows.runner.plain_errors import in_lines

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    before = dict(os.environ)

    def invoke(*words: str) -> str:
        app(words, standalone_mode=False)
        return capsys.readouterr().out

    yield invoke
    os.environ.clear()  # commands set what Prefect reads at import
    os.environ.update(before)


def lines(path: Path, *records: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def user_message(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_completions_go_in_and_out(run: Any, tmp_path: Path) -> None:
    file = lines(
        tmp_path / "completions.jsonl",
        {"messages": user_message("1+1"), "completion": "2", "model": "big"},
        {"messages": [*user_message("2+2"), {"role": "assistant", "content": "4"}]},
    )
    assert json.loads(run("ledger", "import", file, "--model", "m", "--json")) == {
        "put": 2,
        "known": 0,
        "skipped": {},
    }
    assert "0 imported, 2 were in the ledger already" in run("ledger", "import", file, "--model", "m")
    statistics = json.loads(run("ledger", "stats", "--json"))
    assert (statistics["calls"], statistics["outcomes"]) == (2, {"completion": 2})
    assert {group["model"] for group in statistics["groups"]} == {"big", "m"}
    assert "2 calls for 2 requests" in run("ledger", "stats")
    out = tmp_path / "out.jsonl.gz"
    assert json.loads(run("ledger", "export", str(out), "--json"))["calls"] == 2
    assert "2 were in the ledger already" in run("ledger", "import", str(out))
    sizes = json.loads(run("ledger", "vacuum", "--json"))
    assert 0 < sizes["after"] <= sizes["before"]


def test_a_batch_output_of_others_needs_its_input(run: Any, tmp_path: Path) -> None:
    body = {"model": "m", "messages": user_message("1+1"), "max_tokens": 5}
    into = lines(tmp_path / "in.jsonl", {"custom_id": "a", "body": body})
    answer = {
        "model": "m",
        "choices": [{"message": {"role": "assistant", "content": "2"}, "finish_reason": "stop"}],
    }
    out = lines(
        tmp_path / "out.jsonl",
        {"custom_id": "a", "response": {"status_code": 200, "body": answer}},
        {"custom_id": "b", "response": None, "error": {"code": "batch_expired"}},
    )
    with pytest.raises(ValueError, match="give the batch's input file as well") as refused:
        run("ledger", "import", out)
    assert in_lines(refused.value)
    output = run("ledger", "import", out, "--asked", into)
    assert "1 imported" in output
    assert "1 line without an answer: batch_expired" in output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"no lines\. Fix: "),
        ("{", "line 1: not JSON"),
        ('{"a": 1}', "line 1: neither"),
        ("[1]", "object"),
    ],
)
def test_what_cannot_be_imported_is_named(text: str, why: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(ValueError, match=why) as refused:
        run("ledger", "import", str(tmp_path / "bad.jsonl"))
    (line,) = in_lines(refused.value)
    assert line is not None
    assert "bad.jsonl" in line


def test_set_up_prints_the_error_of_pip(run: Any, tmp_path: Path) -> None:
    """The folder has a Python already, so that nothing is created or downloaded."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'no such package' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(ValueError, match="pip install --quiet x` failed: no such package") as refused:
        run("setup", "vllm", "--folder", str(tmp_path / "env"), "--requirement", "x")
    assert in_lines(refused.value)
    python.write_text("#!/bin/sh\nexit 0\n")
    output = run("setup", "vllm", "--folder", str(tmp_path / "env"), "--requirement", "x")
    assert f"MATHMILL_VLLM_PYTHON={python}" in output


def sums_of(text: str) -> dict[str, int]:
    """Return the sums of the lines of a printed forecast's stages; the last line states them too."""
    table = text[text.index("role ") :].split("\n\n")[0].splitlines()
    lines = [re.findall(r" ~?([\d,]+)(?= )", line) for line in table[1:] if line.strip(" ─")]
    *rows, last = [[int(value.replace(",", "")) for value in line[-3:]] for line in lines]
    assert [sum(values) for values in zip(*rows, strict=True)] == last
    return {"calls": last[0], "tokens": last[1] + last[2]}


def figures_of(text: str) -> dict[str, int]:
    """Return the likely calls and tokens of a printed forecast."""
    figures = {}
    for name in ("calls", "tokens"):
        figure = re.search(rf"^{name} +([\d,]+)", text, re.MULTILINE)
        assert figure
        figures[name] = int(figure[1].replace(",", ""))
    return figures


def test_a_plan_needs_no_model(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATHMILL_TEACHER__MODEL", "m")
    monkeypatch.setenv("MATHMILL_TEACHER__BASE_URL", '["http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1"]')
    monkeypatch.setenv("MATHMILL_TEACHER__PRICE_OUT", "2")
    forecast = json.loads(run("plan", "nightly", "--target", "100", "--json"))
    assert forecast["figures"]["usd_batch"][1] == pytest.approx(forecast["figures"]["usd"][1] / 2)
    assert {line["stage"] for line in forecast["stages"]} == {
        "self_instruct", "evolve", "rephrase", "fuse", "similar", "solve", "critique", "probe",
    }  # fmt: skip
    assert forecast["guessed"]
    text = run("plan", "nightly", "--target", "100", "--budget-usd", "0.01")
    assert "ends by  usd " in text
    assert sums_of(text) == figures_of(text)
    assert "guessed, since nothing was measured yet" in text


def test_the_gpu_profile_waits_for_its_model() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    vllm = services["vllm"]
    assert vllm["profiles"] == ["gpu"]
    assert "/health" in vllm["healthcheck"]["test"][-1]
    assert "--enable-prefix-caching" in vllm["command"]
    assert "MATHMILL_TEACHER__WAIT_READY" in services["worker"]["environment"]
    images = [service["image"] for service in services.values() if "image" in service]
    assert not [image for image in images if image.endswith(":latest")]
