"""The embedded teacher as an ASGI app: POST /v1/chat/completions, GET /v1/models, /health and /stats.

It gets only what every server gets, the request body, and answers from the text of the prompt. Equal requests give equal
bytes, on any machine. /stats counts what was served, so that tests can show that no completion was paid for twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tasks.seeding import rng_of
from tasks.teacher.answering import answer, job_of
from tasks.teacher.character import SMALL, STRONG, Character
from tasks.teacher.transcribing import transcription
from tasks.teacher.wire import ChatRequest, HttpError, ask_of, count_tokens, cut, prompt_tokens, reply, stream

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(slots=True)
class Served:
    """The counts of one app. `calls` are completions that were answered, which a client pays for, not refused ones."""

    calls: int = 0
    samples: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    by_model: Counter[str] = field(default_factory=Counter)
    requests: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)

    def add(self, ask: ChatRequest, digest: bytes, choices: list[tuple[str, str]]) -> None:
        self.calls += 1
        self.samples += len(choices)
        self.prompt_tokens += prompt_tokens(ask)
        self.completion_tokens += sum(count_tokens(text) for text, _ in choices)
        self.by_model[ask.model] += 1
        self.requests.add(digest)

    def record(self) -> dict[str, Any]:
        distinct = len(self.requests)
        return {
            "calls": self.calls,
            "samples": self.samples,
            "by_model": dict(sorted(self.by_model.items())),
            "distinct_requests": distinct,
            "repeated_requests": self.calls - distinct,
            "refused_requests": len(self.refused),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


def make_app(
    api_key: str | None = None,
    *,
    models: Sequence[Character] = (STRONG, SMALL),
    latency: float = 0.0,
    refuse: float = 0.0,
) -> Starlette:
    """Return an app with counts of its own.

    `api_key` must be sent as a bearer token on every path; None allows all callers. `models` are the characters that are
    served, by name. `latency` is the number of seconds before every completion, as with a real model. `refuse` is the
    share of distinct requests that get 429 with Retry-After the first time, as from a busy server.
    """
    characters = {character.name: character for character in models}
    served = Served()

    async def completions(request: Request) -> Response:
        ask = ask_of(await request.body())
        character = characters.get(ask.model)
        if character is None:
            raise _unknown_model(ask.model, characters)
        digest = digest_of(ask)
        if int.from_bytes(digest[:4], "big") < refuse * 2**32 and digest not in served.refused:
            served.refused.add(digest)
            raise HttpError(429, "the server is busy; try again", code="rate_limit_exceeded")
        if latency:
            await asyncio.sleep(latency)
        # reading an image takes seconds, and other calls are answered meanwhile
        choices = (
            await asyncio.to_thread(complete, ask, character) if ask.images else complete(ask, character)
        )
        served.add(ask, digest, choices)
        identity = digest.hex()[:24]
        if ask.stream:
            return StreamingResponse(iter(stream(ask, identity, choices)), media_type="text/event-stream")
        return Response(reply(ask, identity, choices), media_type="application/json")

    async def list_models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(name) for name in characters]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in characters:
            raise _unknown_model(name, characters)
        return JSONResponse(_model(name))

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def stats(request: Request) -> Response:
        return JSONResponse(served.record())

    def answered(endpoint: RouteHandler) -> RouteHandler:
        async def checked(request: Request) -> Response:
            try:
                return await endpoint(request)
            except HttpError as error:
                return _refusal(error)

        return checked

    return Starlette(
        routes=[
            Route("/v1/chat/completions", answered(completions), methods=["POST"]),
            Route("/v1/models", answered(list_models)),
            Route("/v1/models/{name}", answered(one_model)),
            Route("/health", health),
            Route("/stats", stats),
        ],
        exception_handlers={HTTPException: _no_such_route},
        middleware=[] if api_key is None else [Middleware(KeyAsked, api_key=api_key)],
    )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "mathmill"}


def _unknown_model(name: str, names: Iterable[str]) -> HttpError:
    message = f"the model {name!r} does not exist; there are: {', '.join(sorted(names))}"
    return HttpError(404, message, param="model", code="model_not_found")


def _refusal(error: HttpError) -> Response:
    headers = {"Retry-After": "0.05"} if error.status == 429 else None
    return JSONResponse(error.body, status_code=error.status, headers=headers)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _refusal(HttpError(status, f"invalid URL ({request.method} {request.url.path})"))


def complete(ask: ChatRequest, character: Character) -> list[tuple[str, str]]:
    """Return (text, finish reason) of each choice.

    The random numbers of a choice depend only on the request and the index of the choice; at temperature 0 not even on
    seed and index, as in greedy decoding.
    """
    if ask.images:
        text = transcription("\n".join(text for role, text in ask.messages if role == "user"), ask.images)
        return [cut(text, ask.stop, ask.max_tokens)] * ask.n
    job = job_of(ask.messages)
    words = _canonical([list(message) for message in ask.messages])
    choices = []
    for index in range(ask.n):
        drawn = ("greedy",) if ask.temperature == 0 else (ask.seed, index, ask.temperature)
        rng = rng_of("embedded teacher", ask.model, words, *drawn)
        choices.append(cut(answer(job, character, rng, ask.forced), ask.stop, ask.max_tokens))
    return choices


def digest_of(ask: ChatRequest) -> bytes:
    """Return 16 bytes that identify a request; whether it is streamed makes no difference."""
    fields = [
        ask.model,
        [list(message) for message in ask.messages],
        ask.n,
        ask.seed,
        ask.temperature,
        ask.max_tokens,
        list(ask.stop),
        [ask.forced.json, ask.forced.schema],
        *([list(ask.images)] if ask.images else []),
    ]
    return hashlib.sha256(_canonical(fields).encode()).digest()[:16]


def _canonical(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class KeyAsked:
    """ASGI middleware that answers 401 on every path, existing or not, without the bearer token."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app, self._expected = app, api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._expected):
                error = HttpError(401, "incorrect API key provided", code="invalid_api_key")
                await _refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


app = make_app()
