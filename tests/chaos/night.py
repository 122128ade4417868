"""A night in small that can be killed: runs on request in a forked child, so that 200 kills are cheap.

Reads lines of JSON on standard input: {ledger, url, count, after, seconds}. Each forks a child that asks
`count` questions through the engine. With `after` it is killed (-9) `seconds` after that many answers
were handed out; without it runs to its end and the digest of its answers is printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.request import Request

IN_FLIGHT = 16


def night(ledger: str, url: str, count: int, out: int) -> str:
    limits = EngineLimits(max_in_flight=IN_FLIGHT, start_in_flight=IN_FLIGHT, backoff=0.02)
    requests = (Request([{"role": "user", "content": f"question {i}"}], "m") for i in range(count))
    digest = hashlib.sha256()
    with Ledger.open(ledger) as opened, Engine(Endpoint("teacher", "m", [url]), opened, limits) as engine:
        for completion in engine.run(requests):
            digest.update(f"{completion.key} {completion.text}\n".encode())
            os.write(out, b".")
    return digest.hexdigest()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        after, seconds = order.pop("after", None), order.pop("seconds", 0.0)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, night(**order, out=write).encode())
            os._exit(0)
        os.close(write)
        output = b""
        while after is None or output.count(b".") < after:
            piece = os.read(read, 1000)
            if not piece:
                break
            output += piece
        if after is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        print("killed" if after is not None else output.decode().strip("."), flush=True)


if __name__ == "__main__":
    main()
