"""A fake of Gemini's generateContent and batch mode, from their published references. test_gemini.py and
test_gemini_batches.py have it checked by Google's own client libraries."""

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
        self.batches: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.seen: dict[str, int] = {}  # retrievals of each batch
        self.upload_headers: dict[str, str] = {}
        self.looks = 2  # retrievals after which a batch has ended
        self.lost = 0  # of its requests per hundred, those that end with an internal error
        self.ends = "SUCCEEDED"  # how batches end
        self.forget_ids = False  # a batch is created, but its response is lost
        self.refused = ""  # a field of generationConfig that it does not have
        self.per_page = 100
        self.app = Starlette(
            routes=[
                Route("/upload/v1beta/files", self.upload, methods=["POST"]),
                Route("/session/{id}", self.receive, methods=["POST"]),
                Route("/v1beta/files/{call}", self.download),
                Route("/v1beta/batches", self.list_batches),
                Route("/v1beta/batches/{id}", self.retrieve),
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
        if model in MODELS and method == "batchGenerateContent" and "batch" in asked:
            return self.create(model, asked["batch"])
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

    async def upload(self, request: Request) -> Response:
        """Begin an upload: its address holds its own secret."""
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        assert request.headers["x-goog-upload-protocol"] == "resumable"
        assert request.headers["x-goog-upload-command"] == "start"
        name = f"f{len(self.files)}"
        self.files[name] = b""
        return as_json(
            {},
            200,
            {"x-goog-upload-url": f"{request.base_url}session/{name}", "x-goog-upload-status": "active"},
        )

    async def receive(self, request: Request) -> Response:
        assert request.headers["x-goog-upload-command"] == "upload, finalize"
        assert int(request.headers["x-goog-upload-offset"]) == 0
        self.upload_headers = dict(request.headers)
        name = request.path_params["id"]
        self.files[name] = await request.body()
        return as_json({"file": self.about(name)}, 200, {"x-goog-upload-status": "final"})

    def about(self, name: str) -> dict[str, Any]:
        return {"name": f"files/{name}", "mimeType": "application/jsonl", "sizeBytes": str(len(self.files[name])),
                "state": "ACTIVE", "source": "GENERATED", "uri": f"files/{name}"}  # fmt: skip

    async def download(self, request: Request) -> Response:
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        name, _, method = request.path_params["call"].partition(":")
        assert (method, request.query_params["alt"]) == ("download", "media")
        return Response(self.files[name], media_type="application/octet-stream")

    def create(self, model: str, batch: dict[str, Any]) -> Response:
        assert batch["displayName"]
        source = batch["inputConfig"]
        name = f"batches/b{len(self.batches)}"
        file = source["fileName"].removeprefix("files/")
        about = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "model": f"models/{model}", "name": name, "displayName": batch["displayName"], "inputConfig": source,
            "createTime": "2026-11-28T10:00:00.123456789Z", "updateTime": "2026-11-28T10:00:00.123456789Z",
            "batchStats": {"requestCount": str(len(self.files[file].splitlines()))}, "state": "BATCH_STATE_PENDING",
        }  # fmt: skip
        self.batches[name] = {"name": name, "metadata": about}
        if self.forget_ids:
            return as_json(error(500), 500)
        return as_json(self.batches[name])

    async def list_batches(self, request: Request) -> Response:
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        start = int(request.query_params.get("pageToken") or 0)
        newest = list(reversed(self.batches.values()))
        listed: dict[str, Any] = {"operations": newest[start : start + self.per_page]}
        if start + self.per_page < len(newest):
            listed["nextPageToken"] = str(start + self.per_page)
        return as_json(listed if newest else {})

    async def retrieve(self, request: Request) -> Response:
        if (refusal := self.unauthorised(request)) is not None:
            return refusal
        batch = self.batches[f"batches/{request.path_params['id']}"]
        about = batch["metadata"]
        if not batch.get("done"):
            looks = self.seen[batch["name"]] = self.seen.get(batch["name"], 0) + 1
            about["state"] = "BATCH_STATE_RUNNING"
            if looks >= self.looks:
                self.finish(batch)
        return as_json(batch)

    def finish(self, batch: dict[str, Any]) -> None:
        about = batch["metadata"]
        batch["done"] = True
        about |= {"state": f"BATCH_STATE_{self.ends}", "endTime": "2026-11-28T11:00:00Z"}
        if self.ends != "SUCCEEDED":
            batch["error"] = {"code": 13, "message": f"the batch has {self.ends.lower()}"}
            return
        model, lines = about["model"].removeprefix("models/"), []
        data = self.files[about["inputConfig"]["fileName"].removeprefix("files/")]
        for number, line in enumerate(data.splitlines()):
            item = orjson.loads(line)
            asked = spelt(item["request"])
            if number % 100 < self.lost:
                lines.append({"key": item["key"], "error": {"code": 13, "message": "Internal error"}})
            elif (problem := self.problem(model, asked)) is not None:
                lines.append({"key": item["key"], "error": {"code": 3, "message": problem}})
            else:
                self.bodies.append(asked)
                lines.append({"key": item["key"], "response": self.answer(model, asked)})
        name = f"batch-{batch['name'].rpartition('/')[2]}"
        self.files[name] = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        about["output"] = {"responsesFile": f"files/{name}"}
        batch["response"] = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput",
            **about["output"],
        }

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
        if self.refused in config:
            return f"Invalid JSON payload received. Unknown name \"{self.refused}\" at 'generation_config': Cannot find field."
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
