"""A chat-completions server on a real socket with seeded failures like those of real endpoints.

The base URL says how: `http://127.0.0.1:PORT/<name>/<seed>/<fault>=<per mille>,.../v1`; `<name>` keeps
the counts of one test apart from the next. Which fault a call meets depends only on the seed, the body
and how often that body came before, never on time. Every answer begins with what was asked, so a mixed-up
answer shows. `GET .../counts` tells what the server sent, and so would charge for.

Run as a program it prints its port; standard input's end ends it.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import random
import sys
import time
from collections import Counter, defaultdict

LATENCY = 0.004  # seconds
DEAD: set[str] = set()  # names whose server plays dead, switched by POST .../dead and .../alive


class Book:
    """What was sent under one name. `started` answers started with status 200; `whole` of them arrived
    as a well-formed completion that says its usage, with these tokens."""

    def __init__(self) -> None:
        self.started = 0
        self.uncertain = 0  # reset while in flight: the client may not have seen the status
        self.whole = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.faults: Counter[str] = Counter()
        self.bodies: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.in_flight = 0
        self.peak = 0
        self.sent: dict[str, list[float]] = defaultdict(list)


BOOKS: dict[str, Book] = defaultdict(Book)


def fault_for(seed: str, rates: str, body: bytes, times: int) -> str:
    draw = random.Random(hashlib.sha256(f"{seed}/{times}/".encode() + body).digest()).random() * 1000
    for part in rates.split(","):
        name, _, share = part.partition("=")
        draw -= float(share or 0)
        if draw < 0:
            name, _, most = name.partition("@")  # `fault@n`: only the first n times that a body comes
            return name if not most or times < int(most) else "none"
    return "none"


def completion(asked: dict, fault: str, number: int) -> tuple[dict, tuple[int, int]]:
    question = asked["messages"][-1]["content"]
    text = "answer to " + question
    if "response_format" in asked or asked["messages"][0]["content"].startswith("JSON"):
        first = asked["messages"][0]["content"]
        text = json.dumps({"value": len(first), "why": first})
    first_time = len(asked["messages"]) == 1
    if fault == "bad_json_answer" or (fault == "bad_json_at_first" and first_time):
        text = "I would rather talk about it"
    if fault == "fenced":
        text = "Here you are:\n```json\n" + text + ",\n```\nGood luck!"
    usage = (len(question) // 4 + 1, len(text) // 4 + 1)
    choice: dict = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    answer: dict = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "other-model" if fault == "wrong_model" else asked["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)},
    }
    if fault == "missing_usage":
        del answer["usage"]
    elif fault == "empty_choices":
        answer["choices"] = []
    elif fault == "null_content":
        choice["message"]["content"] = None
    elif fault == "refusal":
        choice["message"] = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    elif fault == "content_filter":
        choice["message"]["content"], choice["finish_reason"] = None, "content_filter"
    elif fault == "length" and asked["max_tokens"] < 1000:
        choice["message"]["content"], choice["finish_reason"] = text[: len(text) // 2], "length"
    return answer, usage


def error(message: str, kind: str, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "code": code, "param": None}}).encode()


PLAIN = {
    "http500": (500, error("boom", "server_error")),
    "http502": (502, b"<html><h1>502 Bad Gateway</h1></html>"),
    "http503": (503, error("overloaded", "server_error")),
    "http504": (504, b"upstream timed out"),
    "quota": (429, error("You exceeded your current quota", "insufficient_quota", "insufficient_quota")),
    "http401": (
        401,
        error("Incorrect API key provided: sk-secret-123", "invalid_request_error", "invalid_api_key"),
    ),
    "http403": (403, error("Country not supported", "forbidden")),
    "http404": (404, error("The model `m` does not exist", "invalid_request_error", "model_not_found")),
    "context": (
        400,
        error("This model's maximum context length is 8 tokens", "bad", "context_length_exceeded"),
    ),
    "http400": (400, error("bad request", "invalid_request_error")),
}
BAD_200 = {
    "truncated": b'{"id": "x", "choices": [{"message": {"content": "ans',
    "html": b"<!DOCTYPE html><html><body>Sign in to the gateway</body></html>",
    "error200": error("upstream failed", "server_error"),
}


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        head = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body) if length is None else length),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**head, **(headers or {})}.items())
        self.writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    async def serve(self) -> None:
        try:
            while True:
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                lower = head.lower()
                size = int(lower.split("content-length:")[1].split()[0]) if "content-length:" in lower else 0
                body = await self.reader.readexactly(size)
                if not await self.answer(method, path, body):
                    break
                await self.writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away, as clients do
        finally:
            self.writer.close()

    async def answer(self, method: str, path: str, body: bytes) -> bool:
        """Answers one request; False ends the connection."""
        _, name, seed, rates, *rest = path.split("/")
        book = BOOKS[name]
        if rest[-1] in ("dead", "alive"):
            (DEAD.add if rest[-1] == "dead" else DEAD.discard)(name)
            self.send(200, b"{}")
            return True
        if rest[-1] == "counts":
            self.send(200, json.dumps({**vars(book), "sent": book.sent if "sent" in rates else {}}).encode())
            return True
        if name in DEAD:
            return False
        if rest[-1] == "models":
            self.send(200, b'{"object": "list", "data": [{"id": "m", "object": "model"}]}')
            return True
        digest = hashlib.sha256(body).hexdigest()[:16]
        fault = fault_for(seed, rates, body, book.bodies[digest])
        book.bodies[digest] += 1
        book.faults[fault] += 1
        if "sent" in rates:
            book.sent[digest].append(time.time())
        book.in_flight += 1
        book.peak = max(book.peak, book.in_flight)
        try:
            await asyncio.sleep(LATENCY)
            return await self.fail_or_answer(fault, book, json.loads(body), digest)
        finally:
            book.in_flight -= 1

    async def fail_or_answer(self, fault: str, book: Book, asked: dict, digest: str) -> bool:
        if fault in PLAIN:
            self.send(*PLAIN[fault])
        elif fault.startswith("http429"):
            when = {
                "http429": {},
                "http429s": {"Retry-After": "1"},
                "http429ms": {"Retry-After-Ms": "300"},
                "http429date": {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)},
                "http429long": {"Retry-After": "3600"},
            }[fault]
            self.send(429, error("Rate limit reached", "requests", "rate_limit_exceeded"), when)
        elif fault == "no_schema" and "response_format" in asked:
            self.send(400, error("response_format is not supported here", "invalid_request_error"))
        elif fault == "disconnect":
            return False
        elif fault == "hang":
            await self.reader.read(1)  # until the client hangs up
            return False
        else:
            return await self.begin(fault, book, asked, digest)
        return True

    async def begin(self, fault: str, book: Book, asked: dict, digest: str) -> bool:
        """Send an answer that starts with status 200, which a client pays for."""
        book.started += 1
        if fault == "two_lengths":
            self.writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 7\r\nContent-Length: 5\r\n\r\n12345")
            await self.writer.drain()
            return False
        if fault in BAD_200:
            self.send(200, BAD_200[fault])
            return True
        answer, usage = completion(asked, fault, sum(book.bodies.values()))
        data = json.dumps(answer).encode()
        if fault == "cut":
            self.send(200, data[: len(data) // 2], length=len(data))
            await self.writer.drain()
            return False
        if fault == "reset":
            book.uncertain += 1
            self.send(200, data[: len(data) // 2], length=len(data))
            await self.writer.drain()
            self.writer.transport.abort()
            return False
        if fault == "drip":
            self.send(200, b"", length=len(data))
            for byte in data:
                self.writer.write(bytes([byte]))
                await self.writer.drain()
                await asyncio.sleep(0.2)
            return True
        if "usage" in answer:
            book.whole += 1
            book.prompt_tokens += usage[0]
            book.completion_tokens += usage[1]
        if fault not in ("wrong_model", "empty_choices", "null_content"):
            book.good[digest] += 1
        self.send(200, data)
        return True


async def main() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(reader, writer).serve()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
