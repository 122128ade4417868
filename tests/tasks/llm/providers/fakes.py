"""What the fakes of the providers share: a loopback server, faults of which no call meets two, and the embedded teacher as
the model behind their wire formats."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from tasks.teacher.app import complete
from tasks.teacher.character import STRONG
from tasks.teacher.wire import ask_of, count_tokens

FAULTS = ("429", "529", "500", "broken", "cut")
KEY = "sk-canary-8213047965-qwfpgj"


class Faults:
    """Decides which calls fail. A body fails the first time it comes, for `rate` bodies of 1, with a fault of `kinds`."""

    def __init__(self, rate: float = 0.0, kinds: tuple[str, ...] = FAULTS) -> None:
        self.rate, self.kinds = rate, kinds
        self.seen: Counter[bytes] = Counter()
        self.met: Counter[str] = Counter()
        self.started = 0  # answers of status 200 of which at least the head was sent
        self.sent = self.received = 0  # tokens of the prompts and answers of those that were sent whole

    def of(self, raw: bytes) -> str | None:
        self.seen[raw] += 1
        number = int.from_bytes(hashlib.sha256(raw).digest()[:8])
        if self.seen[raw] > 1 or number % 10_000 >= self.rate * 10_000:
            return None
        fault = self.kinds[number // 10_000 % len(self.kinds)]
        self.met[fault] += 1
        return fault

    def answer(
        self,
        fault: str | None,
        good: bytes,
        error: Callable[[int], dict[str, Any]],
        tokens: tuple[int, int] = (0, 0),
        kind: str = "application/json",
    ) -> Response:
        """Return the response to a call: the good one, or that of a fault; `error` gives the body of an error status.
        `tokens` are those that the good one states, of the prompt and the answer."""
        if fault in ("429", "529", "500"):
            headers = {"retry-after": "0"} if fault == "429" else {}
            return as_json(error(int(fault)), int(fault), headers)
        self.started += 1
        if fault == "broken":
            return Response(good[: len(good) // 2], media_type=kind)
        if fault == "cut":  # the connection ends before the length that was promised
            return Response(good[:-20], headers={"content-length": str(len(good))}, media_type=kind)
        self.sent += tokens[0]
        self.received += tokens[1]
        return Response(good, media_type=kind)


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


async def fields_of(request: Request) -> tuple[bytes, dict[str, Any]]:
    raw = await request.body()
    return raw, orjson.loads(raw)


def events(*pieces: dict[str, Any]) -> bytes:
    """The server-sent events of a stream, each with its type."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), orjson.dumps(one)) for one in pieces)


class Scripted(NamedTuple):
    """What a model says: the text, its tokens, and whether it was cut off at its limit."""

    text: str
    tokens: int
    cut: bool


# The model behind a fake. It gets the chat-completions body that means the same as the body of the fake's format.
Model = Callable[[dict[str, Any]], Scripted]


def embedded_teacher(asked: dict[str, Any]) -> Scripted:
    """The embedded teacher, under whatever name it is called."""
    stated = {name: value for name, value in asked.items() if value is not None}
    ((text, finish),) = complete(ask_of(orjson.dumps(stated | {"model": STRONG.name})), STRONG)
    return Scripted(text, count_tokens(text), finish == "length")


def schema_form(schema: Any) -> dict[str, Any] | None:
    """The response_format of chat completions for a schema; None without one."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}} if schema else None


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The root URL of an ASGI app, served by a thread while the block lasts."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", loop="asyncio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
