"""A checkpoint behind the engine gives the same completions as alone, and each is requested once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError, revision_of
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.training.completion import Completer
from tasks.training.student import Shape, fresh

SHAPE = Shape(hidden=32, feedforward=64, layers=2, heads=2, context=256, vocabulary=300)
QUESTIONS = ["What is 2 + 3?", "x", "Solve 7x - 11 = 3. " * 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh(
        ["What is 2 + 3? The answer is 5."] * 20, tmp_path_factory.mktemp("model"), seed=3, shape=SHAPE
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(str(tmp_path / "ledger.sqlite"))


def requests(folder: Path, texts: list[str], **more: object) -> list[Request]:
    model = f"hf:{folder}"
    return [
        Request(
            messages=[{"role": "user", "content": text}],
            model=model,
            temperature=0.0,
            max_tokens=20,
            **more,  # type: ignore[arg-type]
        )
        for text in texts
    ]


def test_the_engine_gives_what_the_model_says_alone(folder: Path, ledger: Ledger) -> None:
    alone = Completer.load(folder, device="cpu")
    expected = [
        alone.complete([[{"role": "user", "content": text}]], max_new_tokens=20)[0][0] for text in QUESTIONS
    ]
    endpoint = Endpoint(role="student", model=f"hf:{folder}", revision=revision_of(f"hf:{folder}"))
    with Engine(endpoint, ledger) as engine:
        completions = list(engine.run(requests(folder, QUESTIONS)))
        again = list(engine.run(requests(folder, QUESTIONS)))
    assert [one.text for one in completions] == [one.text for one in expected]
    assert [one.finish_reason for one in completions] == [
        "stop" if one.ended else "length" for one in expected
    ]
    assert [one.usage.completion_tokens for one in completions] == [
        len(one.tokens) + one.ended for one in expected
    ]
    assert [(one.text, one.cached) for one in again] == [(one.text, True) for one in completions]


def test_what_it_cannot_do_is_an_error_of_that_request_alone(folder: Path, ledger: Ledger) -> None:
    asked = [*requests(folder, ["y " * 300, "x"]), *requests(folder, ["x"], top_p=0.5)]
    with Engine(Endpoint(role="student", model=f"hf:{folder}"), ledger) as engine:
        long, fine, narrow = engine.run(asked)
        dialect = engine.stats().dialect
    assert long.error == "context length"
    assert fine.error is None
    # a sampling parameter that it refuses is left out and reported
    assert narrow.error is None
    assert any("top_p" in line for line in dialect)


def test_a_folder_that_is_no_checkpoint_stops_the_run(tmp_path: Path, ledger: Ledger) -> None:
    with (
        Engine(Endpoint(role="student", model=f"hf:{tmp_path}"), ledger) as engine,
        pytest.raises(EndpointError, match="cannot be loaded.*safetensors"),
    ):
        list(engine.run(requests(tmp_path, ["x"])))


def test_pickled_weights_are_never_loaded(folder: Path, tmp_path: Path, ledger: Ledger) -> None:
    import torch

    other = tmp_path / "pickled"
    shutil.copytree(folder, other)
    (other / "model.safetensors").unlink()
    torch.save({}, other / "pytorch_model.bin")
    with (
        Engine(Endpoint(role="student", model=f"hf:{other}"), ledger) as engine,
        pytest.raises(EndpointError),
    ):
        list(engine.run(requests(other, ["x"])))


def test_other_weights_under_the_same_name_are_another_model(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    before = revision_of(f"hf:{other}")
    assert before == revision_of(f"hf:{folder}")
    (other / "notes.json").write_text("{}")  # has no information about the model
    assert revision_of(f"hf:{other}") == before
    data = bytearray((other / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (other / "model.safetensors").write_bytes(data)
    assert revision_of(f"hf:{other}") != before
    assert revision_of("gpt-4o") == ""
