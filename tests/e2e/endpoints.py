"""Endpoints with habits of their own, in front of the embedded teacher: what a night meets at other people's servers."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import web

from tasks.teacher.app import complete, digest_of
from tasks.teacher.character import STRONG
from tasks.teacher.wire import ask_of, reply

Body = dict[str, Any]
Answer = tuple[int, Body | bytes]
Refuse = Callable[[Body], Answer | None]
Change = Callable[[Body, Body, int], Answer]


def unchanged(asked: Body, good: Body, times: int) -> Answer:
    return 200, good


class Habits:
    """`refuse` sees what was asked and may refuse it, unpaid; `change` sees what was asked, the teacher's answer and how
    often the same was answered before. `paid` counts the answers (2xx) per request; `asked` are all bodies."""

    def __init__(
        self, refuse: Refuse = lambda asked: None, change: Change = unchanged, path: str = "/v1"
    ) -> None:
        self.refuse, self.change, self.path = refuse, change, path
        self.paid: Counter[bytes] = Counter()
        self.refused = 0
        self.queries: set[str] = set()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_post(f"{self.path}/chat/completions", self.completions)
        app.router.add_get(f"{self.path}/models", self.models)
        return app

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": STRONG.name, "object": "model"}]})

    async def completions(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.queries.add(request.query_string)
        asked: Body = orjson.loads(raw)
        if (refusal := self.refuse(asked)) is not None:
            self.refused += 1
            return _response(refusal)
        ask = ask_of(raw)
        good: Body = orjson.loads(reply(ask, digest_of(ask).hex()[:24], complete(ask, STRONG)))
        times = self.paid[raw]
        self.paid[raw] += 1
        return _response(self.change(asked, good, times))


def _response(answer: Answer) -> web.Response:
    status, body = answer
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return web.Response(status=status, body=data, content_type="application/json")


@contextmanager
def serving(habits: Habits) -> Iterator[str]:
    """The address of an endpoint with these habits, served by a thread while the block lasts."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(habits.app())
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{habits.path}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
