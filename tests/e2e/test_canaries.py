"""Secrets that endpoints echo everywhere rest nowhere: every byte that a real night leaves is searched for every part."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from storage.ledger import Ledger
from tasks.teacher.app import make_app
from tests.e2e.postgres import PASSWORD, postgres
from tests.e2e.processes import Home, clean_environment, contents, free_port

# test_bad_input.py searches what a night leaves for its key, with the servers that other tests use
pytestmark = [pytest.mark.e2e, pytest.mark.soak]

SECRETS = {
    "MATHMILL_TEACHER__API_KEY": "sk-8Qw2ZrT5yUi0Pa9SdFg3",
    "MATHMILL_CRITIC__API_KEY": "sk-1Lk4Jh7Gf0Dp3Oi6Uy9T",
    "AWS_SECRET_ACCESS_KEY": "wJ4lrX7UtnF3MI2bPxRf5iCY",
    "HF_TOKEN": "hf_Zx9Cv8Bn7Ml6Kj5Hg4Fd",
}
HEADER = "hdr/7Fg3HjK1lXcV+b2N5m="
ALL = (*SECRETS.values(), HEADER, PASSWORD)
ECHO = {
    "headers": {"Authorization": f"Bearer {SECRETS['MATHMILL_TEACHER__API_KEY']}", "X-Auth": HEADER},
    "database": f"postgresql://prefect:{PASSWORD}@127.0.0.1/prefect",
    "others": list(SECRETS.values()),
    "parts": [part for secret in ALL for part in (secret[:11], secret[4:12], secret[-9:])],
}
TEXT = json.dumps(ECHO)
SMALL = ("--set", "weakness.share=0", "--set", "similarity.semantic=ignore")


class Echoing:
    """The embedded teacher, which adds what it knows to every answer: in its text, beside it and in headers, or as an
    error of each kind where a request comes for the first time."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.seen: Counter[bytes] = Counter()
        self.kinds: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/chat/completions"):
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        first = not self.seen[body]
        self.seen[body] += 1
        kind = len(self.seen) % 12 if first else 11
        errors: dict[int, tuple[int, bytes]] = {
            0: (503, f"overloaded: {TEXT}".encode()),
            1: (429, orjson.dumps({"error": {"message": TEXT}})),
            2: (200, f"<html>{TEXT}</html>".encode()),
            3: (500, orjson.dumps({"error": {"message": "x" * 280 + TEXT}})),
            4: (200, orjson.dumps({"error": ECHO})),
        }
        if kind in errors:
            self.kinds[str(kind)] += 1
            await answer(send, *errors[kind])
            return
        parts: list[dict[str, Any]] = []

        async def taken(message: Any) -> None:
            parts.append(message)

        async def again() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, taken)
        decoded = orjson.loads(b"".join(part.get("body", b"") for part in parts))
        status = parts[0]["status"]
        for choice in decoded.get("choices", ()):
            text = choice["message"]["content"]
            if text and not text.lstrip().startswith(("{", "[")):
                self.kinds["text"] += 1
                choice["message"]["content"] = f"I was sent {TEXT}.\n\n{text}"
        await answer(send, status, orjson.dumps(decoded | {"debug": ECHO}))


async def answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-debug", TEXT.encode()), (b"retry-after", b"0.05")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def echoing() -> Iterator[tuple[Echoing, str]]:
    app, port = Echoing(make_app()), free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield app, f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join()


def parts_of_secrets(text: str) -> set[str]:
    windows = {secret[start : start + 8] for secret in ALL for start in range(len(secret) - 7)}
    return {part for part in windows if part in text}


def test_what_an_echoing_endpoint_knows_rests_nowhere(
    echoing: tuple[Echoing, str], prefect_api: str, migrated: Callable[[Path], None], tmp_path: Path
) -> None:
    app, url = echoing
    migrated(tmp_path / "mathmill")
    with postgres() as port:
        ledger = f"postgresql://prefect:{PASSWORD}@127.0.0.1:{port}/prefect"
        settings = {
            "MATHMILL_TEACHER__MODEL": "embedded",
            "MATHMILL_TEACHER__BASE_URL": url,
            "MATHMILL_TEACHER__HEADERS": json.dumps({"X-Auth": HEADER}),
            "MATHMILL_CRITIC__MODEL": "embedded-small",
            "MATHMILL_CRITIC__BASE_URL": url,
            "MATHMILL_LEDGER": ledger,
        }
        one = Home(
            tmp_path / "mathmill",
            clean_environment(MATHMILL_HOME=str(tmp_path / "mathmill"), **settings, **SECRETS),
        )
        printed_runs = [one.script("nightly", "--target", "20", *SMALL)]
        assert printed_runs[0].returncode == 0, printed_runs[0].stderr[-3000:]
        assert {"0", "1", "2", "3", "4", "text"} <= app.kinds.keys()
        for words in (
            ("export", "math-sft", str(tmp_path / "out")), ("verify",), ("doctor",), ("ledger", "stats"),
        ):  # fmt: skip
            printed_runs.append(one.run(*words, PREFECT_API_URL=prefect_api))  # which lets it be forked
        # refused as a whole, by an endpoint that tells why
        refused = one.script(
            "nightly", "--target", "20", *SMALL, MATHMILL_TEACHER__BASE_URL=f"{url}/{PASSWORD}"
        )
        assert refused.returncode == 2
        printed_runs.append(refused)
        with Ledger.open(ledger) as stored:
            calls = list(stored.every())
    assert len(calls) > 50
    assert sum(b"***" in item.call.raw for item in calls) > 50
    kept = [(f"call {item.id}", (item.call.raw + item.call.request).decode("latin-1")) for item in calls]
    printed = [(str(done.args), done.stdout + done.stderr) for done in printed_runs]
    written = list(contents(tmp_path))
    assert any(name.endswith("prefect.db") for name, _ in written)
    assert any(name.endswith(".html") for name, _ in written)
    assert any("I was sent" in text and "***" in text for _, text in written)
    leaks = {name: parts for name, text in kept + printed + written if (parts := parts_of_secrets(text))}
    assert leaks == {}
