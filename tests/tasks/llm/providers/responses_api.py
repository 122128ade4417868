"""A fake of OpenAI's Responses API, from its published reference. test_responses.py has it checked by OpenAI's own client
library, which validates every answer strictly."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.tasks.llm.providers.fakes import KEY, Faults, Model, as_json, events, fields_of, schema_form

FIELDS = {
    "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "reasoning", "text", "store",
    "include", "metadata", "service_tier", "stream", "truncation",
}  # fmt: skip
ONLY_HERE = "This model is only supported in v1/responses and not in v1/chat/completions."


def error(
    status: int, message: str = "no", code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    kind = {429: "rate_limit_error", 500: "server_error", 529: "server_error"}.get(
        status, "invalid_request_error"
    )
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class ResponsesApi:
    """Responses and models. The model `gpt-think` takes no temperature and top_p, and thinks; chat completions have no
    model at all.

    A question `refuse ...` is refused, `fail CODE` fails with that code, `filter ...` is cut by the filter, one
    `long N ...` has an answer of N tokens, and every other the text `answer to QUESTION`, or what `brain` says. Each prompt has 10 tokens.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        key: str = KEY,
        *,
        brain: Model | None = None,
        streams: bool = False,
    ) -> None:
        self.streams = streams  # whether it refuses every call that is not streamed
        self.faults, self.key, self.brain = faults or Faults(), key, brain
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(
            routes=[
                Route("/v1/responses", self.response, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/models", self.models),
            ]
        )

    def unauthorised(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        if given != f"Bearer {self.key}":
            return as_json(error(401, f"Incorrect API key provided: {given}", "invalid_api_key"), 401)
        return None

    async def models(self, request: Request) -> Response:
        data = [{"id": "gpt-think", "object": "model", "created": 1, "owned_by": "system"}]
        return self.unauthorised(request) or as_json({"object": "list", "data": data})

    async def chat(self, request: Request) -> Response:
        return self.unauthorised(request) or as_json(error(404, ONLY_HERE, param="model"), 404)

    async def response(self, request: Request) -> Response:
        raw, asked = await fields_of(request)
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        if (problem := self.problem(asked)) is not None:
            return as_json(problem, 400)
        fault = self.faults.of(raw)
        answer = self.answer(asked)
        if fault not in ("429", "529", "500"):
            self.bodies.append(asked)
        usage = answer["usage"] or {"input_tokens": 0, "output_tokens": 0}
        tokens = (usage["input_tokens"], usage["output_tokens"])
        if asked.get("stream"):
            return self.faults.answer(fault, self.stream(answer), error, tokens, "text/event-stream")
        return self.faults.answer(fault, orjson.dumps(answer), error, tokens)

    def stream(self, answer: dict[str, Any]) -> bytes:
        """Return the events of an answer; the last one holds all of it."""
        opening = answer | {"status": "in_progress", "output": [], "usage": None, "error": None}
        pieces: list[dict[str, Any]] = [{"type": "response.created", "response": opening}]
        for index, item in enumerate(answer["output"]):
            for part in item.get("content", ()):
                text = part.get("text", "")
                for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
                    pieces.append(
                        {"type": "response.output_text.delta", "item_id": item["id"], "output_index": index,
                         "content_index": 0, "delta": piece, "logprobs": []}
                    )  # fmt: skip
        pieces.append({"type": f"response.{answer['status']}", "response": answer})
        return events(*({**piece, "sequence_number": number} for number, piece in enumerate(pieces)))

    def problem(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return the error for a body that the API refuses, in its own words."""
        for name in sorted(asked.keys() - FIELDS):
            return error(400, f"Unknown parameter: '{name}'.", "unknown_parameter", name)
        if self.streams and not asked.get("stream"):
            return error(400, "Stream must be set to true", None, "stream")
        if asked["max_output_tokens"] < 16:
            text = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16."
            return error(400, text, "integer_below_min_value", "max_output_tokens")
        for name in ("temperature", "top_p"):
            if name in asked and asked["model"] == "gpt-think":
                text = f"Unsupported parameter: '{name}' is not supported with this model."
                return error(400, text, None, name)
        if "long context" in asked["input"][-1]["content"]:
            text = (
                "Your input exceeds the context window of this model. Please adjust your input and try again."
            )
            return error(400, text, "context_length_exceeded", "input")
        return None

    def as_chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the chat-completions body that means the same."""
        return {
            "messages": asked["input"],
            "max_tokens": asked["max_output_tokens"],
            "temperature": asked.get("temperature"),
            "response_format": schema_form(asked.get("text", {}).get("format", {}).get("schema")),
        }

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        question = asked["input"][-1]["content"]
        text, tokens, status, details, failed = f"answer to {question}", 20, "completed", None, None
        cut = False
        if self.brain is not None:
            text, tokens, cut = self.brain(self.as_chat(asked))
            question = ""
        part: dict[str, Any] | None = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        output: list[dict[str, Any]] = []
        if asked["model"] == "gpt-think":
            summary = [{"type": "summary_text", "text": f"thought on {question}"}]
            output.append(
                {"id": "rs_1", "type": "reasoning", "summary": summary if "reasoning" in asked else []}
            )
        if question.startswith("refuse"):
            part = {"type": "refusal", "refusal": "I cannot."}
        elif question.startswith("filter"):
            status, details, part = "incomplete", {"reason": "content_filter"}, None
        elif question.startswith("fail"):
            failed = {"code": question.split()[1], "message": "It was flagged as violating our usage policy."}
            status, part = "failed", None
        elif question.startswith("long"):
            tokens = int(question.split()[1])
        if cut:
            status, details = "incomplete", {"reason": "max_output_tokens"}
        elif tokens > asked["max_output_tokens"]:
            tokens, status, details, part = (
                asked["max_output_tokens"],
                "incomplete",
                {"reason": "max_output_tokens"},
                None,
            )
        if part is not None:
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
            output.append(message)
        usage = {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 7},
            "total_tokens": 10 + tokens,
        }
        return {
            "id": "resp_1", "object": "response", "created_at": 1.0, "status": status, "error": failed,
            "incomplete_details": details, "instructions": None, "metadata": {}, "model": asked["model"],
            "output": output, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "usage": None if failed else usage, "store": asked.get("store", True),
        }  # fmt: skip
