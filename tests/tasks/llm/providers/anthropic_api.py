"""A fake of Anthropic's Messages API, from its published reference. test_anthropic.py has it checked by Anthropic's own
client library, which validates every answer strictly."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.tasks.llm.providers.fakes import KEY, Faults, Model, as_json, events, fields_of, schema_form

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
FIELDS = {
    "model", "messages", "max_tokens", "system", "stop_sequences", "temperature", "top_p", "top_k", "thinking",
    "output_config", "metadata", "cache_control", "service_tier", "stream",
}  # fmt: skip

# the fields of each version of the API
VERSIONS = {"2023-06-01": FIELDS, "2026-10-21": FIELDS - {"temperature", "top_p", "top_k"}}

PROMPT = 10  # tokens of every prompt, of which 4 are read from the cache and 3 are written to it


def error(status: int, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": TYPES[status], "message": message}, "request_id": "req_1"}


class AnthropicApi:
    """Messages and models. The model `claude-old-1` thinks by budget, `claude-new-1` adaptively and takes no temperature.

    A question `refuse ...` is refused, one `long N ...` has an answer of N tokens, and every other the text
    `answer to QUESTION`, or what `brain` says. The key comes in x-api-key, or as a bearer token if `bearer`, as the newer client library sends
    it.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        key: str = KEY,
        bearer: bool = True,
        *,
        brain: Model | None = None,
        streams: bool = False,
    ) -> None:
        self.streams = streams  # whether it refuses every call that is not streamed
        self.faults, self.key, self.bearer, self.brain = faults or Faults(), key, bearer, brain
        self.bodies: list[dict[str, Any]] = []
        self.batches: dict[str, dict[str, Any]] = {}
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.looks = 2  # retrievals after which a batch has ended
        self.expired = 0  # of its requests per hundred, those that expire
        self.forget_ids = False  # a batch is made, but its response is lost
        self.app = Starlette(
            routes=[
                Route("/v1/messages", self.message, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/v1/messages/batches", self.create, methods=["POST"]),
                Route("/v1/messages/batches", self.list_),
                Route("/v1/messages/batches/{id}", self.retrieve),
                Route("/v1/messages/batches/{id}/results", self.download),
            ],
            exception_handlers={404: self.missing},
        )

    async def missing(self, request: Request, problem: Exception) -> Response:
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        return as_json(error(404, "Not Found"), 404)

    def unauthorised(self, request: Request) -> Response | None:
        given = request.headers.get("x-api-key")
        if given is None and self.bearer:
            given = request.headers.get("authorization", "").removeprefix("Bearer ") or None
        if given is None:
            return as_json(error(401, "x-api-key header is required"), 401)
        if given != self.key:
            return as_json(error(401, f"invalid x-api-key {given}"), 401)
        return None

    async def models(self, request: Request) -> Response:
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        names = [f"claude-other-{number}" for number in range(30)] + ["claude-new-1", "claude-old-1-20260801"]
        limit = int(request.query_params.get("limit", "20"))
        data = [
            {
                "id": name,
                "type": "model",
                "display_name": name,
                "created_at": "2026-08-01T00:00:00Z",
                "lifecycle": "active",
            }
            for name in names[:limit]
        ]
        ends = {"first_id": names[0], "last_id": data[-1]["id"]}
        return as_json({"data": data, "has_more": len(data) < len(names), **ends})

    async def message(self, request: Request) -> Response:
        raw, asked = await fields_of(request)
        version = request.headers.get("anthropic-version")
        if version not in VERSIONS:
            return as_json(error(400, "anthropic-version: header is required"), 400)
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        if (problem := self.problem(asked, VERSIONS[version])) is not None:
            return as_json(error(400, problem), 400)
        fault = self.faults.of(raw)
        answer = self.answer(asked)
        if fault not in ("429", "529", "500"):
            self.bodies.append(asked)
        tokens = (PROMPT, answer["usage"]["output_tokens"])
        if asked.get("stream"):
            return self.faults.answer(fault, self.stream(answer), error, tokens, "text/event-stream")
        return self.faults.answer(fault, orjson.dumps(answer), error, tokens)

    def stream(self, answer: dict[str, Any]) -> bytes:
        """Return the events of an answer: its texts come in two pieces, and its usage at the start and the end."""
        usage = answer["usage"]
        start = answer | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
        pieces: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
        for index, block in enumerate(answer["content"]):
            name = block["type"] if block["type"] in ("text", "thinking") else None
            empty = block | ({name: ""} if name else {})
            pieces.append({"type": "content_block_start", "index": index, "content_block": empty})
            text = block[name] if name else ""
            for part in (text[: len(text) // 2], text[len(text) // 2 :]) if name else ():
                delta = {"type": f"{name}_delta", name: part}
                pieces.append({"type": "content_block_delta", "index": index, "delta": delta})
            pieces.append({"type": "content_block_stop", "index": index})
        delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
        pieces.append(
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}
        )
        return events(*pieces, {"type": "message_stop"})

    async def create(self, request: Request) -> Response:
        _, asked = await fields_of(request)
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        version = request.headers["anthropic-version"]
        name, results = f"msgbatch_{len(self.batches)}", []
        for number, item in enumerate(asked["requests"]):
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", item["custom_id"])
            params = item["params"]
            result: dict[str, Any] = {"type": "expired"}
            if number % 100 >= self.expired:
                if (problem := self.problem(params, VERSIONS[version])) is not None:
                    result = {"type": "errored", "error": error(400, problem)}
                else:
                    self.bodies.append(params)
                    result = {"type": "succeeded", "message": self.answer(params)}
            results.append({"custom_id": item["custom_id"], "result": result})
        results.reverse()  # the API promises no order
        self.results[name] = results
        now = datetime.now(UTC).isoformat()
        counts = {"processing": len(results), "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        self.batches[name] = {
            "id": name, "type": "message_batch", "processing_status": "in_progress", "request_counts": counts,
            "created_at": now, "expires_at": now, "ended_at": None, "archived_at": None, "cancel_initiated_at": None,
            "results_url": None,
        }  # fmt: skip
        if self.forget_ids:
            return as_json(error(500, "gone"), 500)
        return as_json(self.batches[name])

    async def list_(self, request: Request) -> Response:
        data = list(self.batches.values())[::-1]
        ends = (
            {"first_id": data[0]["id"], "last_id": data[-1]["id"]}
            if data
            else {"first_id": None, "last_id": None}
        )
        return self.unauthorised(request) or as_json({"data": data, "has_more": False, **ends})

    async def retrieve(self, request: Request) -> Response:
        batch = self.batches[request.path_params["id"]]
        self.looks -= 1
        if self.looks <= 0:
            kinds = Counter(item["result"]["type"] for item in self.results[batch["id"]])
            batch["request_counts"] |= {"processing": 0, **kinds}
            batch["processing_status"], batch["ended_at"] = "ended", batch["created_at"]
            batch["results_url"] = f"{request.url}/results"
        return self.unauthorised(request) or as_json(batch)

    async def download(self, request: Request) -> Response:
        lines = b"".join(orjson.dumps(item) + b"\n" for item in self.results[request.path_params["id"]])
        return self.unauthorised(request) or Response(lines, media_type="application/x-jsonl")

    def problem(self, asked: dict[str, Any], fields: set[str]) -> str | None:
        """Return what the API refuses in a body, in its own words."""
        for name in sorted(asked.keys() - fields):
            return f"{name}: Extra inputs are not permitted"
        if self.streams and not asked.get("stream"):
            return "stream: only streaming requests are supported by this gateway"
        if not isinstance(asked.get("max_tokens"), int):
            return "max_tokens: Field required"
        for index, turn in enumerate(asked["messages"]):
            if turn["role"] not in ("user", "assistant"):
                return f'messages.{index}.role: Input should be "user" or "assistant"'
        if not asked["messages"]:
            return "messages: at least one message is required"
        thinking = asked.get("thinking", {"type": "disabled"})
        new = asked["model"] == "claude-new-1"
        for name in ("temperature", "top_p"):
            if name in asked and new:
                return f"`{name}` is deprecated for this model."
        if not 0 <= asked.get("temperature", 1.0) <= 1:
            return "temperature: range: 0..1"
        if "temperature" in asked and "top_p" in asked:
            return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        if thinking["type"] == "enabled":
            if new:
                return (
                    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'
                )
            if thinking["budget_tokens"] < 1024:
                return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
            if thinking["budget_tokens"] >= asked["max_tokens"]:
                return "`max_tokens` must be greater than `thinking.budget_tokens`."
            if asked.get("temperature", 1.0) != 1.0:
                return "`temperature` may only be set to 1 when thinking is enabled."
        if "long context" in asked["messages"][-1]["content"]:
            return "prompt is too long: 212345 tokens > 200000 maximum"
        return None

    def as_chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the chat-completions body that means the same."""
        system = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
        form = asked.get("output_config", {}).get("format", {})
        return {
            "messages": system + asked["messages"],
            "max_tokens": asked["max_tokens"],
            "temperature": asked.get("temperature"),
            "stop": asked.get("stop_sequences"),
            "response_format": schema_form(form.get("schema")),
        }

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        question = asked["messages"][-1]["content"]
        text, tokens, stop = f"answer to {question}", 20, "end_turn"
        if self.brain is not None:
            text, tokens, cut = self.brain(self.as_chat(asked))
            stop = "max_tokens" if cut else stop
        content: list[dict[str, Any]] = []
        details: dict[str, Any] | None = None
        if asked.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            content.append({"type": "thinking", "thinking": f"thought on {question}", "signature": "c2ln"})
            content.append({"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"})
        if question.startswith("refuse") and self.brain is None:
            text, stop = "", "refusal"
            details = {"type": "refusal", "category": None, "explanation": None}
        if question.startswith("long") and self.brain is None:
            tokens = int(question.split()[1])
        if tokens > asked["max_tokens"]:
            tokens, stop, text = asked["max_tokens"], "max_tokens", text[:3]
        if text:
            content.append({"type": "text", "text": text, "citations": None})
        usage = {
            "input_tokens": PROMPT - 3 - 4,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
            "output_tokens": tokens,
            "service_tier": "standard",
        }
        model = "claude-old-1-20260801" if asked["model"] == "claude-old-1" else asked["model"]
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content,
            "stop_reason": stop, "stop_sequence": None, "stop_details": details, "usage": usage,
        }  # fmt: skip
