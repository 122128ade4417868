"""A checkpoint behind the engine gives the same completions as alone, and each is requested once."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from storage.ledger import Ledger
from tasks.llm.checkpoint import CheckpointTransport
from tasks.llm.endpoint import Endpoint, EndpointError, revision_of
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.training.completion import Completer
from tasks.training.decoding import Generation
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
    assert narrow.error is None
    assert dialect == ()  # every sampling parameter is taken


def sampled(folder: Path, count: int, **more: object) -> list[Request]:
    """Requests that end at different times, each with its own seed."""
    return [
        Request(
            messages=[{"role": "user", "content": QUESTIONS[number % len(QUESTIONS)]}],
            model=f"hf:{folder}",
            temperature=1.0,
            top_p=1.0 if number % 2 else 0.9,
            max_tokens=5 + 7 * number,
            seed=number,
            **more,  # type: ignore[arg-type]
        )
        for number in range(count)
    ]


@pytest.mark.slow
def test_samples_are_the_same_in_batches_of_every_size(folder: Path, tmp_path: Path) -> None:
    texts = []
    for batch in (1, 3, 32):
        endpoint = Endpoint(role="student", model=f"hf:{folder}", batch=batch, threads=1)
        with Engine(endpoint, Ledger.open(str(tmp_path / f"{batch}.sqlite"))) as engine:
            texts.append([one.text for one in engine.run(sampled(folder, 8))])
    assert texts[0] == texts[1] == texts[2]
    assert len(set(texts[0])) == 8


def test_an_answer_is_in_the_ledger_before_the_longest_ends(
    folder: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder stands still after six steps, until the answer of four tokens was read."""
    from tasks.training.decoding import Decoder

    steps, read, step = itertools.count(1), threading.Event(), Decoder.step

    def waiting(self: Decoder) -> list[Generation]:
        if next(steps) > 6:
            assert read.wait(60)
        return step(self)

    monkeypatch.setattr(Decoder, "step", waiting)
    short, long = (
        replace(one, max_tokens=limit) for one, limit in zip(sampled(folder, 2), (4, 60), strict=True)
    )
    with Engine(Endpoint(role="student", model=f"hf:{folder}"), ledger) as engine:
        completions = engine.run([short, long])
        assert next(completions).usage.completion_tokens <= 4
        read.set()
        assert next(completions).usage.completion_tokens > 4


def test_a_stop_string_cuts_the_text(folder: Path, ledger: Ledger) -> None:
    (request,) = requests(folder, ["x"])
    with Engine(Endpoint(role="student", model=f"hf:{folder}"), ledger) as engine:
        (whole,) = engine.run([request])
        assert whole.text
        stop = whole.text[len(whole.text) // 2 :][:3]
        (cut,) = engine.run([replace(request, stop=(stop,))])
    assert cut.text == whole.text.split(stop, 1)[0]
    assert cut.finish_reason == "stop"
    assert cut.usage.completion_tokens <= whole.usage.completion_tokens


def test_a_request_that_is_given_up_leaves_the_batch(folder: Path) -> None:
    """The next one is answered, and nothing is left to decode at the end."""
    transport = CheckpointTransport(Endpoint(role="student", model=f"hf:{folder}"))

    def body(limit: int) -> bytes:
        return orjson.dumps(
            {"messages": [{"role": "user", "content": "x"}], "temperature": 0, "max_tokens": limit}
        )

    async def ask() -> None:
        first = asyncio.create_task(transport.post("", {}, body(200), 60))
        await asyncio.sleep(0)
        first.cancel()
        response = await transport.post("", {}, body(3), 60)
        assert response.status == 200
        with pytest.raises(asyncio.CancelledError):
            await first
        await transport.close()

    asyncio.run(ask())


def test_a_folder_that_is_no_checkpoint_stops_the_run(tmp_path: Path, ledger: Ledger) -> None:
    with (
        Engine(Endpoint(role="student", model=f"hf:{tmp_path}"), ledger) as engine,
        pytest.raises(EndpointError, match="cannot be loaded.*safetensors"),
    ):
        list(engine.run(requests(tmp_path, ["x"])))


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("config.json", b"{}", "model_type"),
        ("config.json", b'{"model_type": "vit"}', "does not write texts"),
        ("tokenizer.json", None, ""),
        ("model.safetensors", None, "there is no model.safetensors"),
        ("model.safetensors", b"\0" * 8, "model.safetensors: "),
    ],
)
def test_a_checkpoint_that_cannot_be_loaded_fails_before_the_first_call(
    folder: Path, tmp_path: Path, ledger: Ledger, file: str, content: bytes | None, why: str
) -> None:
    other = tmp_path / "broken"
    shutil.copytree(folder, other)
    with Engine(Endpoint(role="student", model=f"hf:{folder}"), ledger) as engine:
        assert engine.check() == [str(folder)]
    (other / file).unlink()
    if content is not None:
        (other / file).write_bytes(content)
    with (
        Engine(Endpoint(role="student", model=f"hf:{other}"), ledger) as engine,
        pytest.raises(EndpointError, match=f"cannot be loaded .*{why}.* Fix: name the folder") as refused,
    ):
        engine.check()
    assert "\n" not in str(refused.value)


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
