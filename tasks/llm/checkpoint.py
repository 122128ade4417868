"""The transport to a Hugging Face checkpoint in this process (`hf:PATH`), so that a model that was just trained is called
like every other model, through the engine and the ledger.

A thread of its own decodes the requests as one batch. A request is answered as soon as its sequence ends, and waiting
requests join between two chunks of steps. If the tokenizer has a chat template, it is applied as a server would do; otherwise
the texts of the messages are joined by blank lines. Equal requests with equal seeds are sampled equally, whatever shares
their batch, up to rounding. Structured output is not supported: a schema is not enforced.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.transport import Response, TransportError

COMPLETION = "tasks.training.completion"  # imported only if a checkpoint is called, because it needs torch
GATHER = 0.02  # seconds that an idle model waits for further requests
CHUNK = 16  # steps between two looks at the waiting requests


@dataclass(slots=True)
class _PendingRequest:
    body: dict[str, Any]
    future: asyncio.Future[Response]
    loop: asyncio.AbstractEventLoop

    def answer(self, status: int, body: Mapping[str, Any]) -> None:
        self._resolve(lambda: self.future.set_result(Response(status, {}, orjson.dumps(body))))

    def fail(self, error: Exception) -> None:
        self._resolve(lambda: self.future.set_exception(error))

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.future.done() or self.loop.is_closed()

    def _resolve(self, resolve: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(lambda: None if self.future.done() else resolve())


class CheckpointTransport:
    """Loads the checkpoint at the first call. Used only in the engine's event loop; the model in a thread of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._path = endpoint.names[0]
        self._folder = endpoint.checkpoint
        self._threads = endpoint.threads
        self._batch = endpoint.batch
        self._waiting: queue.SimpleQueue[_PendingRequest | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._checked = False  # whether it was looked at before the first call
        self._steps = 0  # a sign of life: it grows while the model decodes

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        """Answer a request. `seconds` is how long the model may stand still: while it decodes, the token limits bound the time,
        and a request that was given up would only be decoded again."""
        loop = asyncio.get_running_loop()
        pending = _PendingRequest(orjson.loads(body), loop.create_future(), loop)
        self._waiting.put(pending)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="checkpoint", daemon=True)
            self._thread.start()
        try:
            while True:
                before = self._steps
                answered, _ = await asyncio.wait([pending.future], timeout=seconds)
                if answered:
                    return pending.future.result()
                if self._steps == before:
                    raise TransportError(f"no step of the model in {seconds:g} s", timed_out=True)
        finally:
            pending.future.cancel()  # where it was given up: the sequence leaves the batch

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        """Answer /models, the only path, after a look at the checkpoint that does not load its weights. Raises EndpointError for one that
        cannot be loaded."""
        if not self._checked:
            try:
                await asyncio.to_thread(
                    lambda: importlib.import_module(COMPLETION).check_loadable(self._folder)
                )
            except Exception as error:
                raise self._failure(error) from error
            self._checked = True
        return Response(200, {}, orjson.dumps({"data": [{"id": self._path}]}))

    async def close(self) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _serve(self) -> None:
        try:
            completion = importlib.import_module(COMPLETION)
            completion.use_threads(self._threads)
            model = completion.Completer.load(self._folder)
        except Exception as error:  # noqa: BLE001 - every request fails with it
            failure = self._failure(error)
            while (pending := self._waiting.get()) is not None:
                pending.fail(failure)
            return
        _Service(model, self._path, self._batch, self._waiting, self._advance).run()

    def _failure(self, error: Exception) -> EndpointError:
        why, fix = (
            " ".join(str(error).split()),
            "name the folder of a checkpoint with safetensors and a tokenizer",
        )
        return EndpointError(f"hf:{self._path} cannot be loaded ({why}). Fix: {fix}")

    def _advance(self) -> None:
        self._steps += 1


class _Service:
    """Decodes requests until the queue gives None and all are answered or given up."""

    def __init__(
        self,
        model: Any,
        name: str,
        batch: int,
        waiting: queue.SimpleQueue[_PendingRequest | None],
        advance: Callable[[], None],
    ) -> None:
        self._model = model
        self._name = name
        self._batch = batch
        self._queue = waiting
        self._advance = advance
        self._decoder = model.decoder()
        self._room = model.cache_tokens()
        self._ready: list[tuple[_PendingRequest, Any]] = []  # their sequences have not joined yet
        self._active: dict[Any, _PendingRequest] = {}  # by sequence
        self._ending = False

    def run(self) -> None:
        while self._collect():
            try:
                self._join()
                self._decode()
            except Exception as error:  # noqa: BLE001 - the requests fail instead of waiting for ever
                self._decoder.clear()
                for pending in self._active.values():
                    pending.fail(TransportError(f"hf:{self._name}: {' '.join(str(error).split())}"))
                self._active.clear()

    def _collect(self) -> bool:
        """Take the waiting requests; an idle model waits for one. Returns whether there is anything to do."""
        arrived: list[_PendingRequest | None] = []
        if not self._active and not self._ready and not self._ending:
            arrived.append(self._queue.get())
            time.sleep(GATHER)
        while not self._queue.empty():
            arrived.append(self._queue.get())
        for pending in arrived:
            if pending is None:
                self._ending = True
            else:
                self._admit(pending)
        return bool(self._active or self._ready) or not self._ending

    def _admit(self, pending: _PendingRequest) -> None:
        """Put the request's sequence among those that may join, or answer with the reason why there is none."""
        try:
            prompt = self._model.encode(_prompt(self._model, pending.body["messages"]))
        except Exception as error:  # noqa: BLE001 - a chat template raises what it wants, such as for an unknown role
            pending.answer(
                400, _error(f"the chat template refuses the messages: {error}", "invalid_request_error")
            )
            return
        context = getattr(self._model.model.config, "max_position_embeddings", None) or 1 << 20
        if (room := context - len(prompt)) <= 0:
            reason = f"the prompt has {len(prompt)} tokens, the context {context}"
            pending.answer(400, _error(reason, "context_length_exceeded"))
            return
        body, stops = pending.body, pending.body.get("stop") or ()
        seed = body.get("seed")
        sequence = self._model.generation(
            prompt,
            limit=min(int(body.get("max_tokens", room)), room),
            temperature=float(body.get("temperature", 1.0)),
            top_p=float(body.get("top_p", 1.0)),
            seed=secrets.randbits(56) if seed is None else int(seed),
            stops=(stops,) if isinstance(stops, str) else tuple(stops),
        )
        self._ready.append((pending, sequence))

    def _join(self) -> None:
        """Let waiting sequences join, the oldest first, as far as the batch and the memory have room."""
        self._ready = [entry for entry in self._ready if not entry[0].given_up]
        if not self._decoder.open:
            return
        widths = [len(sequence.prompt) + sequence.limit for sequence in self._active]
        joining = []
        while self._ready and len(self._active) < self._batch:
            pending, sequence = self._ready[0]
            widths.append(len(sequence.prompt) + sequence.limit)
            if self._active and len(widths) * max(widths) > self._room:
                break
            self._ready.pop(0)
            self._active[sequence] = pending
            joining.append(sequence)
        if joining:
            self._decoder.join(joining)
            self._advance()

    def _decode(self) -> None:
        for _ in range(CHUNK):
            if not len(self._decoder):
                return
            for sequence in self._decoder.step():
                self._answer(sequence, self._active.pop(sequence))
            self._advance()
        for sequence, pending in list(self._active.items()):
            if pending.given_up:
                sequence.over = True
                del self._active[sequence]

    def _answer(self, sequence: Any, pending: _PendingRequest) -> None:
        completion = self._model.continuation(sequence.tokens)
        text = _cut(completion.text, sequence.stops) if sequence.stopped else completion.text
        reason = "stop" if completion.ended or sequence.stopped else "length"
        pending.answer(200, _body(self._name, text, reason, len(sequence.prompt), len(sequence.tokens)))


def _prompt(model: Any, messages: list[dict[str, str]]) -> Any:
    if model.tokenizer.chat_template:
        return messages
    return "\n\n".join(message["content"] for message in messages) + "\n"


def _error(reason: str, code: str) -> dict[str, Any]:
    return {"error": {"message": reason, "type": "invalid_request_error", "code": code}}


def _cut(text: str, stops: tuple[str, ...]) -> str:
    """Return the text before the first of the stop strings."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


_numbers = itertools.count()


def _body(name: str, text: str, reason: str, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{next(_numbers)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }
