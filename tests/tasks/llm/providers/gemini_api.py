"""A fake of Gemini's generateContent, from its published reference. test_gemini.py has it checked by Google's own client
library, which reads every answer by the API's protocol buffers."""

from __future__ import annotations

import re
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.tasks.llm.providers.fakes import KEY, Faults, Model, as_json, fields_of, schema_form

STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    529: "UNAVAILABLE",
}
FIELDS = {
    "model", "contents", "tools", "toolConfig", "safetySettings", "systemInstruction", "generationConfig",
    "cachedContent", "serviceTier", "store",
}  # fmt: skip
CONFIG = {
    "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities", "candidateCount",
    "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty", "responseLogprobs",
    "logprobs", "thinkingConfig", "mediaResolution",
}  # fmt: skip
MOST_OUTPUT = 8192
PROMPT = 11  # tokens of every prompt
THOUGHTS, ANSWER = 30, 20  # tokens of the thinking and the answer
MODELS = ("gemini-new", "gemini-old")


def error(status: int, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": STATUSES[status], **more}}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name, "domain": "googleapis.com"}


def spelt(value: Any) -> Any:
    """Return a body with all names in camel case: the API takes them in snake case as well, which Google's newer client
    library makes use of. A schema keeps its names."""
    if isinstance(value, list):
        return [spelt(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): item for name, item in value.items()}
    return {name: item if name == "responseJsonSchema" else spelt(item) for name, item in fields.items()}


class GeminiApi:
    """generateContent and models. A model thinks if the request asks for its thoughts.

    Every question has the answer `answer to QUESTION`, or what `brain` says. One with `forbidden` is a blocked prompt, `recite` and `unsafe`
    end with RECITATION and SAFETY, `other` ends with OTHER. Thinking and answer together have as many tokens as
    maxOutputTokens allows.
    """

    def __init__(self, faults: Faults | None = None, key: str = KEY, *, brain: Model | None = None) -> None:
        self.faults, self.key, self.brain = faults or Faults(), key, brain
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(
            routes=[
                Route("/v1beta/models/{call}", self.content, methods=["POST"]),
                Route("/v1beta/models", self.models),
            ]
        )

    def unauthorised(self, request: Request) -> Response | None:
        given = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if given is None:
            return as_json(error(403, "Method doesn't allow unregistered callers"), 403)
        if given != self.key:
            text = f"API key not valid. Please pass a valid API key. ({given})"
            return as_json(error(400, text, details=[reason("API_KEY_INVALID")]), 400)
        return None

    async def models(self, request: Request) -> Response:
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        listed = [{"name": f"models/{name}", "version": "1", "displayName": name} for name in MODELS]
        return as_json({"models": listed})

    async def content(self, request: Request) -> Response:
        raw, sent = await fields_of(request)
        asked = spelt(sent)
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        model, _, method = request.path_params["call"].partition(":")
        if model not in MODELS or method != "generateContent":
            text = f"models/{model} is not found for API version v1beta, or is not supported for {method}."
            return as_json(error(404, text), 404)
        if (problem := self.problem(model, asked)) is not None:
            return as_json(error(400, problem), 400)
        fault = self.faults.of(raw)
        if fault not in ("429", "529", "500"):
            self.bodies.append(asked)
        answer = self.answer(model, asked)
        usage = answer["usageMetadata"]
        tokens = (PROMPT, usage["totalTokenCount"] - PROMPT)
        return self.faults.answer(fault, orjson.dumps(answer), error, tokens)

    def problem(self, model: str, asked: dict[str, Any]) -> str | None:
        """Return what the API refuses in a body, in its own words."""
        config = asked.get("generationConfig", {})
        for where, fields, known in (("", asked, FIELDS), (" at 'generation_config'", config, CONFIG)):
            for name in sorted(fields.keys() - known):
                return f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
        if not asked.get("contents"):
            return "* GenerateContentRequest.contents: contents is not specified"
        for turn in asked["contents"]:
            if turn.get("role") not in ("user", "model"):
                return "Please use a valid role: user, model."
            if not turn.get("parts"):
                return "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty."
        if len(config.get("stopSequences", ())) > 5:
            return "The number of stop sequences must be at most 5."
        if not -(2**31) <= config.get("seed", 0) < 2**31:
            return f"Invalid value at 'generation_config.seed' (TYPE_INT32), {config['seed']}"
        if not 0 <= config.get("temperature", 1.0) <= 2:
            return "temperature must be in the range [0.0, 2.0]."
        if (most := config.get("maxOutputTokens", 1)) > MOST_OUTPUT:
            return (
                f"Unable to submit request because it has a maxOutputTokens value of {most} but the supported range is "
                f"from 1 (inclusive) to {MOST_OUTPUT + 1} (exclusive). Update the value and try again."
            )
        if model == "gemini-old" and "thinkingConfig" in config:
            return "Thinking is not enabled for this model: thinking_config is not supported"
        if "long context" in self.question(asked):
            return "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
        return None

    def question(self, asked: dict[str, Any]) -> str:
        return str(asked["contents"][-1]["parts"][0]["text"])

    def as_chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the chat-completions body that means the same."""
        config = asked.get("generationConfig", {})
        turns = [("system", asked["systemInstruction"])] if "systemInstruction" in asked else []
        turns += [("assistant" if turn["role"] == "model" else "user", turn) for turn in asked["contents"]]
        return {
            "messages": [
                {"role": role, "content": "".join(part["text"] for part in turn["parts"])}
                for role, turn in turns
            ],
            "max_tokens": config.get("maxOutputTokens"),
            "temperature": config.get("temperature"),
            "seed": config.get("seed"),
            "stop": config.get("stopSequences"),
            "response_format": schema_form(config.get("responseJsonSchema")),
        }

    def answer(self, model: str, asked: dict[str, Any]) -> dict[str, Any]:
        config, question = asked.get("generationConfig", {}), self.question(asked)
        answered = self.brain(self.as_chat(asked)) if self.brain is not None else None
        question = question if answered is None else ""
        usage = {"promptTokenCount": PROMPT, "totalTokenCount": PROMPT}
        response = {"usageMetadata": usage, "modelVersion": model, "responseId": "r1"}
        if "forbidden" in question:
            return response | {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        most = config.get("maxOutputTokens", MOST_OUTPUT)
        shown = config.get("thinkingConfig", {}).get("includeThoughts")
        thoughts = min(most, THOUGHTS) if shown else 0
        received = min(most - thoughts, ANSWER)
        parts: list[dict[str, Any]] = []
        if thoughts:
            parts.append({"text": f"thought on {question}", "thought": True, "thoughtSignature": "c2ln"})
            usage["thoughtsTokenCount"] = thoughts
        finish = next((name for name in ("RECITATION", "OTHER") if name[:5].lower() in question), "STOP")
        finish = "SAFETY" if "unsafe" in question else finish
        text = f"answer to {question}"
        if answered is not None:
            text, received, cut = answered
            finish = "MAX_TOKENS" if cut else "STOP"
        elif received < ANSWER:
            text, finish = text[:received], "MAX_TOKENS"
        if received and finish in ("STOP", "MAX_TOKENS"):
            half = len(text) // 2  # an answer may come in several parts
            parts += [{"text": text[:half]}, {"text": text[half:]}]
        if received:
            usage["candidatesTokenCount"] = received
        usage["totalTokenCount"] = PROMPT + thoughts + received
        content = {"role": "model", "parts": parts} if parts else {"role": "model"}
        return response | {"candidates": [{"content": content, "finishReason": finish, "index": 0}]}
