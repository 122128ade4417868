"""Scans through the role ocr: the embedded teacher really reads the image that it is sent, over the chat-completions protocol."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from storage.ledger import Ledger
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.reading import ReadingFailed, ReadLimits
from tasks.documents.scans import page_images, read_with_ocr
from tasks.documents.transcribing import Transcriber, prompt_for, request_for
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.dialect import Dialect, messages_in
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.transport import AsgiTransport
from tasks.llm.wire import estimate_image, estimate_prompt
from tasks.teacher.app import make_app
from tests.tasks.documents.test_scans import DATA, file_of, needs_tesseract, scanned
from tests.tasks.documents.typesetting import texts_of

ENDPOINT = ReadOptions(ocr="endpoint")


@pytest.fixture(scope="module")
def scan() -> bytes:
    return file_of(scanned((DATA / "chapter.pdf").read_bytes(), pages=2), "PDF")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))
    yield ledger
    ledger.close()


def engine(ledger: Ledger, **settings: object) -> Engine:
    return Engine(Endpoint(role="ocr", model="embedded"), ledger, EngineLimits(), **settings)  # type: ignore[arg-type]


@pytest.mark.slow
@needs_tesseract
def test_a_scan_is_transcribed_and_never_asked_for_again(scan: bytes, ledger: Ledger) -> None:
    with engine(ledger) as first:
        transcriber = Transcriber(lambda: first, ["en", "zh"])
        document = read_with_ocr(scan, "scan.pdf", ENDPOINT, ReadLimits(), transcriber)
        assert transcriber.costs is not None
        assert (transcriber.costs.completions, transcriber.costs.cached) == (2, 0)
        assert transcriber.costs.prompt_tokens > 1000
    text = " ".join(" ".join(texts_of(document)).split())
    assert "An efficient way of counting is to find the different ways in which a whole is divided." in text
    assert {("definition", "Definition 1.1"), ("theorem", "Theorem 1.2"), ("example", "Example 1.3")} <= {
        (element.kind, element.label) for element in document.elements
    }
    assert {element.page for element in document.elements} == {1, 2}
    offline = Engine(Endpoint(role="ocr", model="embedded"), ledger, EngineLimits(offline=True))
    with offline as second:
        transcriber = Transcriber(lambda: second, ["en", "zh"])
        again = read_with_ocr(scan, "scan.pdf", ENDPOINT, ReadLimits(), transcriber)
        assert transcriber.costs is not None
        assert transcriber.costs.cached == 2
    assert again == document


@pytest.mark.slow
@needs_tesseract
def test_the_budget_stops_before_a_page_that_would_exceed_it(scan: bytes, ledger: Ledger) -> None:
    with engine(ledger, budget=Budget(tokens=2_000)) as one, pytest.raises(BudgetExceeded):
        read_with_ocr(scan, "scan.pdf", ENDPOINT, ReadLimits(), Transcriber(lambda: one, ["en"]))


def test_without_a_transcriber_a_scan_is_refused(scan: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="without a text layer"):
        read_with_ocr(scan, "scan.pdf", ENDPOINT, ReadLimits())


class Model:
    """A vision model on a wire of its own: it transcribes the first page in the form, and no other."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> JSONResponse:
        body = json.loads(await request.body())
        self.bodies.append(body)
        usable = body["messages"][1] == self.bodies[0]["messages"][1]
        text = "==Page==\nA page.\n==End==" if usable else "I am sorry, the picture is too dark."
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        return JSONResponse({"id": "x", "model": body["model"], "choices": [choice], "usage": usage})


@pytest.mark.slow
def test_a_page_without_a_usable_completion_fails_the_document_and_costs_no_other_page(
    scan: bytes, ledger: Ledger
) -> None:
    model = Model()
    endpoint = Endpoint(role="ocr", model="eyes", base_urls=["http://model.example/v1"])
    transports = [AsgiTransport(model.app, "http://model.example/v1")]
    with Engine(endpoint, ledger, EngineLimits(max_in_flight=1), transports=transports) as one:
        transcriber = Transcriber(lambda: one, ["en"])
        with pytest.raises(
            ReadingFailed, match="page 2 was not transcribed .*==Page== is missing.*Fix: run again"
        ):
            read_with_ocr(scan, "scan.pdf", ENDPOINT, ReadLimits(), transcriber)
    assert len(model.bodies) == 3  # page 1, page 2, and the re-ask of page 2
    assert model.bodies[2]["messages"][-1]["content"].startswith("That answer cannot be used")


@pytest.mark.slow
def test_a_request_carries_the_image_whole_and_is_estimated_by_its_pixels(scan: bytes) -> None:
    image = next(page_images(scan, "scan.pdf"))
    request = request_for(image, prompt_for(["zh"], None), "eyes")
    text, picture = request.messages[1]["content"]
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == image
    assert text["text"].startswith("请转写")
    pixels = estimate_image(picture["image_url"]["url"])
    assert 1_000 < pixels < 8_000
    assert pixels < estimate_prompt(request) < pixels + 1_000
    assert estimate_image("https://host/page.png") == estimate_image("data:image/png;base64,!") == 1_568


def test_a_dialect_without_a_system_role_keeps_the_image(scan: bytes) -> None:
    request = request_for(b"\x89PNG", prompt_for(["en"], None), "eyes")
    (message,) = messages_in(request.messages, Dialect(system=""))
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["text", "text", "image_url"]
    assert message["content"][0]["text"] == request.messages[0]["content"]


@pytest.mark.slow
@needs_tesseract
def test_the_embedded_teacher_reads_images_of_pages_alone() -> None:
    (image,) = page_images(file_of(scanned((DATA / "chapter.pdf").read_bytes(), pages=1), "PNG"), "page.png")
    request = request_for(image, prompt_for(["en"], None), "embedded")
    app = make_app()

    async def sent(messages: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://teacher") as client:
            return await client.post("/v1/chat/completions", json={"model": "embedded", "messages": messages})

    reply = asyncio.run(sent(list(request.messages)))
    text = reply.json()["choices"][0]["message"]["content"]
    assert text.startswith("==Page==\n")
    assert text.endswith("\n==End==")
    assert "Sums and products" in text
    assert reply.json()["usage"]["prompt_tokens"] > 1_000
    other = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is in the picture?"},
                request.messages[1]["content"][1],
            ],
        }
    ]
    refused = asyncio.run(sent(other))
    assert refused.status_code == 400
    assert "only transcribes" in refused.json()["error"]["message"]
