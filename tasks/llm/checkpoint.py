"""The transport to a Hugging Face checkpoint in this process (`hf:PATH`), so that a model that was just trained is called
like every other model, through the engine and the ledger.

A thread of its own takes all waiting requests, completes them as one batch and answers them. If the tokenizer has a chat
template, it is applied as a server would do; otherwise the texts of the messages are joined by blank lines. Not supported
are nucleus sampling, structured output (a schema is not enforced) and reproducible sampling (which requests share a batch
depends on time; the ledger stores the answers).
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import itertools
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.transport import Response, TransportError

COMPLETION = "tasks.training.completion"  # imported only if a checkpoint is called, because it needs torch
MOST = 256  # requests per batch
GATHER = 0.02  # seconds that a batch waits for further requests
ROOM = 64  # token limits are rounded down to multiples of this number, so that prompts share batches


@dataclass(slots=True)
class _PendingRequest:
    body: dict[str, Any]
    future: asyncio.Future[Response]
    loop: asyncio.AbstractEventLoop

    def answer(self, status: int, body: Mapping[str, Any]) -> None:
        self._resolve(lambda: self.future.set_result(Response(status, {}, orjson.dumps(body))))

    def fail(self, error: Exception) -> None:
        self._resolve(lambda: self.future.set_exception(error))

    def _resolve(self, resolve: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(lambda: None if self.future.done() else resolve())


class CheckpointTransport:
    """Loads the checkpoint at the first call. Used only in the engine's event loop; the model in a thread of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._path = endpoint.names[0]
        self._folder = endpoint.checkpoint
        self._waiting: queue.SimpleQueue[_PendingRequest | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        loop = asyncio.get_running_loop()
        pending = _PendingRequest(orjson.loads(body), loop.create_future(), loop)
        self._waiting.put(pending)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="checkpoint", daemon=True)
            self._thread.start()
        try:
            async with asyncio.timeout(seconds):
                return await pending.future
        except TimeoutError as error:
            raise TransportError(f"no whole answer in {seconds:g} s", timed_out=True) from error

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        """Answer /models, the only path. Whether the checkpoint can be loaded shows at the first call."""
        return Response(200, {}, orjson.dumps({"data": [{"id": self._path}]}))

    async def close(self) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _serve(self) -> None:
        try:
            model = importlib.import_module(COMPLETION).Completer.load(self._folder)
        except Exception as error:  # noqa: BLE001 - every request fails with it
            fix = "name the folder of a checkpoint with safetensors and a tokenizer"
            failure = EndpointError(
                f"hf:{self._path} cannot be loaded ({' '.join(str(error).split())}). Fix: {fix}"
            )
            while (pending := self._waiting.get()) is not None:
                pending.fail(failure)
            return
        while batch := self._batch():
            try:
                _answer(model, self._path, batch)
            except Exception as error:  # noqa: BLE001 - the requests fail instead of waiting for ever
                for pending in batch:
                    pending.fail(TransportError(f"hf:{self._path}: {' '.join(str(error).split())}"))

    def _batch(self) -> list[_PendingRequest]:
        """Wait for a request and return all that wait then; an empty list at the end."""
        waiting = [self._waiting.get()]
        time.sleep(GATHER)
        while waiting[-1] is not None and len(waiting) < MOST:
            try:
                waiting.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        if waiting[-1] is None and len(waiting) > 1:
            self._waiting.put(None)  # first these requests, then the end
        return [pending for pending in waiting if pending is not None]


def _answer(model: Any, name: str, batch: list[_PendingRequest]) -> None:
    context = getattr(model.model.config, "max_position_embeddings", None) or 1 << 20
    groups: dict[tuple[float, int], list[tuple[_PendingRequest, str, int]]] = {}
    for pending in batch:
        prompt = _prompt(model, pending.body["messages"])
        tokens = len(model.encode(prompt))
        room = (context - tokens) // ROOM * ROOM
        if refusal := _refusal(pending.body, tokens, context, room):
            pending.answer(400, refusal)
            continue
        key = (
            float(pending.body.get("temperature", 1.0)),
            min(int(pending.body.get("max_tokens", room)), room),
        )
        groups.setdefault(key, []).append((pending, prompt, tokens))
    for (temperature, limit), members in groups.items():
        seeds = [str(pending.body.get("seed")) for pending, _, _ in members]
        seed = int.from_bytes(hashlib.sha256(" ".join(seeds).encode()).digest()[:7], "big")
        prompts = [prompt for _, prompt, _ in members]
        drawn = model.complete(prompts, max_new_tokens=limit, temperature=temperature, seed=seed)
        for (pending, _, tokens), (completion,) in zip(members, drawn, strict=True):
            pending.answer(
                200, _body(name, _cut(completion.text, pending.body.get("stop")), completion, tokens)
            )


def _prompt(model: Any, messages: list[dict[str, str]]) -> Any:
    if model.tokenizer.chat_template:
        return messages
    return "\n\n".join(message["content"] for message in messages) + "\n"


def _refusal(body: Mapping[str, Any], tokens: int, context: int, room: int) -> dict[str, Any] | None:
    """Return the error body for a request that cannot be answered, or None."""
    if room <= 0:
        reason, code = f"the prompt has {tokens} tokens, the context {context}", "context_length_exceeded"
    elif float(body.get("top_p", 1.0)) < 1:
        reason, code = (
            "a checkpoint in process samples from all tokens: top_p must be 1",
            "invalid_request_error",
        )
    else:
        return None
    return {"error": {"message": reason, "type": "invalid_request_error", "code": code}}


def _cut(text: str, stops: Any) -> str:
    for stop in [stops] if isinstance(stops, str) else stops or ():
        text = text.split(stop, 1)[0]
    return text


_numbers = itertools.count()


def _body(name: str, text: str, completion: Any, prompt_tokens: int) -> dict[str, Any]:
    completion_tokens = len(completion.tokens) + completion.ended
    return {
        "id": f"chatcmpl-{next(_numbers)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop" if completion.ended else "length",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }
