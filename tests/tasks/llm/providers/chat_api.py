"""A fake of chat completions with the habits of Azure OpenAI and of servers that only stream. test_nights.py has it checked by
OpenAI's own client library."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.teacher.app import digest_of
from tasks.teacher.wire import ask_of, prompt_tokens, reply, stream
from tests.tasks.llm.providers.fakes import KEY, Faults, Model, as_json, embedded_teacher, fields_of

STREAM_ONLY = "This model only support stream mode, please enable the stream parameter to access the model."
DEPLOYMENT = "/openai/deployments/deployed"


def error(status: int, message: str = "no") -> dict[str, Any]:
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": str(status)}
    }


class ChatApi:
    """Chat completions of what `brain` says. `azure` serves a deployment, takes the key in `api-key` and asks for an API
    version; `streams` refuses every call that is not streamed."""

    def __init__(
        self,
        faults: Faults | None = None,
        key: str = KEY,
        *,
        azure: bool = False,
        streams: bool = False,
        brain: Model = embedded_teacher,
    ) -> None:
        self.faults, self.key, self.azure, self.streams = faults or Faults(), key, azure, streams
        self.brain = brain
        self.bodies: list[dict[str, Any]] = []
        root = DEPLOYMENT if azure else "/v1"
        self.app = Starlette(
            routes=[
                Route(f"{root}/chat/completions", self.chat, methods=["POST"]),
                Route(f"{root}/models", self.models),
            ]
        )

    def problem(self, request: Request) -> Response | None:
        name, prefix = ("api-key", "") if self.azure else ("authorization", "Bearer ")
        given = request.headers.get(name)
        if given != prefix + self.key:
            return as_json(error(401, f"Incorrect API key provided: {given}"), 401)
        if self.azure and "api-version" not in request.query_params:
            return as_json(error(404, "Resource not found"), 404)
        return None

    async def models(self, request: Request) -> Response:
        listed = {"object": "list", "data": [{"id": "deployed", "object": "model"}]}
        return self.problem(request) or as_json(listed)

    async def chat(self, request: Request) -> Response:
        raw, asked = await fields_of(request)
        if (problem := self.problem(request)) is not None:
            return problem
        if self.streams and not asked.get("stream"):
            return as_json(error(400, STREAM_ONLY), 400)
        fault = self.faults.of(raw)
        if fault not in ("429", "529", "500"):
            self.bodies.append(asked)
        text, received, cut = self.brain(asked)
        ask, answered = ask_of(raw), [(text, "length" if cut else "stop")]
        identity, tokens = digest_of(ask).hex()[:24], (prompt_tokens(ask), received)
        if asked.get("stream"):
            events = b"".join(stream(ask, identity, answered))
            return self.faults.answer(fault, events, error, tokens, "text/event-stream")
        return self.faults.answer(fault, reply(ask, identity, answered), error, tokens)
