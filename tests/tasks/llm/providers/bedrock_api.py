"""A fake of Amazon Bedrock's Converse with API keys or signed requests, from its published reference and that of Signature
Version 4. test_bedrock.py and test_bedrock_signing.py have it checked by boto3, AWS's own client library."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.tasks.llm.providers.fakes import KEY, Faults, Model, as_json, fields_of, schema_form

KINDS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    529: "ServiceUnavailableException",
}
FIELDS = {
    "messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields",
    "promptVariables", "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier",
    "outputConfig",
}  # fmt: skip
CONFIG = {"maxTokens", "temperature", "topP", "stopSequences"}
OF_MODEL = {"top_k", "thinking"}
MOST_OUTPUT = 8192
PROMPT, CACHED = 4, 7  # tokens of every prompt, apart from and in the cache
THOUGHTS, ANSWER = 30, 20  # tokens of the thinking and the answer
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.claude-1"
MODELS = ("claude-1", "titan-1", PROFILE)


@dataclass(frozen=True)
class AwsKey:
    """A key of AWS that requests are signed with; `token` belongs to temporary ones."""

    id: str
    secret: str
    token: str = ""
    region: str = "us-east-1"
    service: str = "bedrock"


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: str, body: bytes
) -> str:
    """Return the canonical request of Signature Version 4 for a path as it was sent, with its escapes."""
    queries = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in parse_qsl(query, True))
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed.split(";")]
    return "\n".join(
        [
            method,
            quote(path, safe="/~"),
            "&".join(f"{k}={v}" for k, v in queries),
            *lines,
            "",
            signed,
            hashlib.sha256(body).hexdigest(),
        ]
    )


def signature(key: AwsKey, moment: str, canonical: str) -> str:
    """Return the signature of a canonical request at a moment such as 20150830T123600Z."""
    scope = f"{moment[:8]}/{key.region}/{key.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    derived = f"AWS4{key.secret}".encode()
    for part in (moment[:8], key.region, key.service, "aws4_request"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<scope>[^,]+), SignedHeaders=(?P<signed>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def refusal_of_signature(key: AwsKey, request: Request, body: bytes) -> str | None:
    """Return why a request is not signed with the key, in AWS's words, or None if it is."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        return "Missing Authentication Token"
    moment = headers["x-amz-date"]
    if match["scope"] != f"{key.id}/{moment[:8]}/{key.region}/{key.service}/aws4_request":
        return "Credential should be scoped to a valid region."
    if headers.get("x-amz-security-token", "") != key.token:
        return "The security token included in the request is invalid."
    sent_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - sent_at) > timedelta(minutes=5):
        return "Signature expired"
    needed = {"host", "x-amz-date", *(["x-amz-security-token"] if key.token else [])}
    if not needed <= set(match["signed"].split(";")):
        return "The request is not signed over its host and date."
    path = request.scope["raw_path"].decode()
    query = request.scope["query_string"].decode()
    canonical = canonical_request(request.method, path, query, headers, match["signed"], body)
    if signature(key, moment, canonical) != match["signature"]:
        return (
            "The request signature we calculated does not match the signature you provided. The Canonical String for this "
            f"request should have been '{canonical}'"
        )
    return None


def error(status: int, message: str = "no") -> dict[str, Any]:
    return {"message": message}


def refused(status: int, message: str) -> Response:
    return as_json(error(status, message), status, {"x-amzn-errortype": KINDS[status]})


class BedrockApi:
    """Converse. The model `titan-1` takes no system texts.

    Every question has the answer `answer to QUESTION`, or what `brain` says. One with `guarded` is stopped by a guardrail and one with
    `garbled` is malformed by the model. A model thinks if `thinking` is among the fields of the model; thinking and
    answer together have as many tokens as maxTokens allows.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        key: str = KEY,
        *,
        brain: Model | None = None,
        signed_with: AwsKey | None = None,
    ) -> None:
        self.faults, self.key, self.brain = faults or Faults(), key, brain
        self.signed_with = signed_with  # then it takes signed requests only
        self.tokens: list[str] = []  # the session tokens that came
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(
            routes=[Route("/model/{model:path}/converse", self.converse, methods=["POST"])],
            exception_handlers={404: self.missing},
        )

    async def missing(self, request: Request, problem: Exception) -> Response:
        kind = "com.amazon.coral.service#UnknownOperationException"
        return as_json({"Output": {"__type": kind}, "Version": "1.0"}, 404)

    async def converse(self, request: Request) -> Response:
        raw, asked = await fields_of(request)
        given = request.headers.get("authorization", "")
        if self.signed_with is not None:
            self.tokens.append(request.headers.get("x-amz-security-token", ""))
            if (problem := refusal_of_signature(self.signed_with, request, raw)) is not None:
                return refused(403, problem)
        elif given != f"Bearer {self.key}":
            text = f"Authentication failed: Please make sure your API Key is valid. ({given})"
            return as_json({"Message": text}, 403, {"x-amzn-errortype": KINDS[403]})
        model = request.path_params["model"]
        if model not in MODELS:
            return refused(400, "The provided model identifier is invalid.")
        if (problem := self.problem(model, asked)) is not None:
            return refused(400, problem)
        fault = self.faults.of(raw)
        if fault not in ("429", "529", "500"):
            self.bodies.append(asked)
        answer = self.answer(asked)
        tokens = (PROMPT + CACHED, answer["usage"]["outputTokens"])
        response = self.faults.answer(fault, orjson.dumps(answer), error, tokens)
        if response.status_code != 200:
            response.headers["x-amzn-errortype"] = KINDS[response.status_code]
        return response

    def problem(self, model: str, asked: dict[str, Any]) -> str | None:
        """Return what the API refuses in a body, in its own words."""
        config, own = asked.get("inferenceConfig", {}), asked.get("additionalModelRequestFields", {})
        for fields, known in ((asked, FIELDS), (config, CONFIG), (own, OF_MODEL)):
            for name in sorted(fields.keys() - known):
                return f"The model returned the following errors: {name}: Extra inputs are not permitted"
        if not asked.get("messages") or asked["messages"][0]["role"] != "user":
            return "A conversation must start with a user message. Try again with a conversation that starts with a user message."
        for turn in asked["messages"]:
            if turn["role"] not in ("user", "assistant") or not all(
                "text" in part for part in turn["content"]
            ):
                return "Malformed input request"
        if model == "titan-1" and asked.get("system"):
            return "This model doesn't support system messages. Try again without system messages."
        if (most := config.get("maxTokens", 1)) > MOST_OUTPUT:
            return (
                f"The maximum tokens you requested exceeds the model limit of {MOST_OUTPUT}. Try again with a maximum "
                f"tokens value that is lower than {MOST_OUTPUT}."
            )
        if "thinking" in own and own["thinking"]["budget_tokens"] >= most:
            return "The model returned the following errors: `max_tokens` must be greater than `thinking.budget_tokens`."
        if "thinking" in own and config.get("temperature", 1.0) != 1.0:
            return "The model returned the following errors: `temperature` may only be set to 1 when thinking is enabled."
        if "long context" in self.question(asked):
            return (
                "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum"
            )
        return None

    def question(self, asked: dict[str, Any]) -> str:
        return str(asked["messages"][-1]["content"][0]["text"])

    def as_chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the chat-completions body that means the same."""
        config = asked["inferenceConfig"]
        system = [{"role": "system", "content": part["text"]} for part in asked.get("system", ())]
        turns = [
            {"role": turn["role"], "content": "".join(part["text"] for part in turn["content"])}
            for turn in asked["messages"]
        ]
        form = asked.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
        return {
            "messages": system + turns,
            "max_tokens": config["maxTokens"],
            "temperature": config.get("temperature"),
            "stop": config.get("stopSequences"),
            "response_format": schema_form(orjson.loads(form["schema"])) if form else None,
        }

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        question, most = self.question(asked), asked["inferenceConfig"]["maxTokens"]
        answered = self.brain(self.as_chat(asked)) if self.brain is not None else None
        question = question if answered is None else ""
        thoughts = min(most, THOUGHTS) if "thinking" in asked.get("additionalModelRequestFields", {}) else 0
        received = min(most - thoughts, ANSWER)
        content: list[dict[str, Any]] = []
        if thoughts:
            thought = {"text": f"thought on {question}", "signature": "c2ln"}
            content += [
                {"reasoningContent": {"reasoningText": thought}},
                {"reasoningContent": {"redactedContent": "ZW5j"}},
            ]
        text, stop = f"answer to {question}", "end_turn"
        if answered is not None:
            text, received, cut = answered
            stop = "max_tokens" if cut else stop
        elif received < ANSWER:
            text, stop = text[:received], "max_tokens"
        if "guarded" in question:
            text, stop = "Sorry, the model cannot answer this question.", "guardrail_intervened"
        if "garbled" in question:
            text, stop = "", "malformed_model_output"
        if text:
            content.append({"text": text})
        tokens = {
            "inputTokens": PROMPT,
            "cacheReadInputTokens": CACHED,
            "outputTokens": thoughts + received,
            "totalTokens": PROMPT + CACHED + thoughts + received,
        }
        message = {"role": "assistant", "content": content}
        return {
            "output": {"message": message},
            "stopReason": stop,
            "usage": tokens,
            "metrics": {"latencyMs": 5},
        }
