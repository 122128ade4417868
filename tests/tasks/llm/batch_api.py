"""A Batch API on a real socket, with files, batches and chat completions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import web


class BatchApi:
    """Files, batches and chat completions. A batch ends after `looks` retrievals; of its lines `expired`
    per hundred are left out, `refused` per hundred get a context-length error."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.chats = 0
        self.looks, self.expired, self.refused = 2, 0, 0
        self.status: int | None = None
        self.forget_ids = False

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**28)
        app.add_routes(
            [
                web.post("/v1/files", self.upload),
                web.get("/v1/files/{id}/content", self.content),
                web.post("/v1/batches", self.create),
                web.get("/v1/batches", self.list_),
                web.get("/v1/batches/{id}", self.retrieve),
                web.post("/v1/chat/completions", self.chat),
            ]
        )
        return app

    async def upload(self, request: web.Request) -> web.Response:
        if self.status:
            return web.json_response({"error": {"message": "no, sk-secret"}}, status=self.status)
        form = await request.post()
        name = f"file-{len(self.files)}"
        self.files[name] = form["file"].file.read()  # type: ignore[union-attr]
        return web.json_response({"id": name, "object": "file", "purpose": form["purpose"]})

    async def content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["endpoint"] == "/v1/chat/completions"
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": asked["endpoint"], "input_file_id": asked["input_file_id"],
            "completion_window": "24h", "created_at": 1, "status": "validating", "metadata": asked["metadata"], "looks": 0,
        }  # fmt: skip
        if self.forget_ids:  # made, but the answer is lost
            return web.json_response({"error": {"message": "gone"}}, status=400)
        return web.json_response(self.batches[name])

    async def list_(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(self.batches.values()), "has_more": False})

    async def retrieve(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        batch["looks"] += 1
        if batch["looks"] >= self.looks and batch["status"] not in ("expired", "completed"):
            self.finish(batch)
        return web.json_response(batch)

    def finish(self, batch: dict[str, Any]) -> None:
        output, errors = [], []
        for number, line in enumerate(self.files[batch["input_file_id"]].splitlines()):
            asked = orjson.loads(line)
            if number % 100 < self.expired:
                errors.append(
                    {"custom_id": asked["custom_id"], "response": None, "error": {"code": "batch_expired"}}
                )
            elif number % 100 < self.expired + self.refused:
                body = {"error": {"code": "context_length_exceeded", "message": "too long"}}
                errors.append(
                    {"custom_id": asked["custom_id"], "response": {"status_code": 400, "body": body}}
                )
            else:
                body = self.answer(asked["body"])
                output.append(
                    {
                        "custom_id": asked["custom_id"],
                        "response": {"status_code": 200, "body": body},
                        "error": None,
                    }
                )
        output.reverse()  # the API promises no order
        for kind, lines in (("output", output), ("error", errors)):
            if lines:
                self.files[f"{kind}-{batch['id']}"] = b"".join(orjson.dumps(item) + b"\n" for item in lines)
                batch[f"{kind}_file_id"] = f"{kind}-{batch['id']}"
        batch["status"] = "expired" if self.expired else "completed"

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        text = "re: " + asked["messages"][0]["content"]
        message = {"role": "assistant", "content": text}
        return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 20}}  # fmt: skip

    async def chat(self, request: web.Request) -> web.Response:
        self.chats += 1
        return web.json_response(self.answer(await request.json()))


@contextmanager
def serving(api: BatchApi) -> Iterator[str]:
    """The base URL of `api`, served by a thread while the block lasts."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(api.app())
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
