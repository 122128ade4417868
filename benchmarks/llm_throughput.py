"""Measure the requests per second of the model engine, with the ledger, against a loopback server of fixed latency.

The ideal is in-flight / latency. Peers in the same run: bare aiohttp (no ledger, no retries), the openai client over aiohttp
and with its default transport, and distilabel and Curator if MATHMILL_DISTILABEL_PYTHON and MATHMILL_CURATOR_PYTHON name a
Python that has them. Each client is its own process; CPU is its user and system time, and memory its peak above that of its
imports. `--quick` ends within a minute.

The targets were set where bare aiohttp took 117 us of CPU per request. On slower cores `--like-theirs` increases the latency in
proportion to the slowdown of bare aiohttp, so that the same share of a core is required.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.fixed_latency import LATENCY, LATENCY_SETTING, served

ROOT = Path(__file__).resolve().parents[1]
# Target share by calls in flight, and the share that bare aiohttp had when the targets were set.
SHARES = {64: (0.97, 0.98), 256: (0.95, 0.965), 512: (0.90, 0.915)}
CPU_US, BARE_CPU_US = 300, 117


def prompt(number: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You are a careful mathematics teacher. Show every step."},
        {"role": "user", "content": f"Problem {number}. " + "A train leaves at noon at 60 km/h. " * 8},
    ]


def engine(url: str, in_flight: int, count: int, *, start: int | None = None) -> Iterator[Any]:
    from storage.ledger import Ledger
    from tasks.llm.endpoint import Endpoint, EngineLimits
    from tasks.llm.engine import Engine
    from tasks.llm.request import Request

    limits = EngineLimits(max_in_flight=in_flight, start_in_flight=start or in_flight)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Path(folder) / "ledger.sqlite") as ledger,
        Engine(Endpoint("teacher", "m", [url], price_in=1, price_out=2), ledger, limits) as engine,
    ):
        yield
        done = 0
        for completion in engine.run(Request(prompt(i), "m", 0.7, tag="bench") for i in range(count)):
            assert completion.text is not None
            done += 1
        assert done == count == ledger.stats().calls
        yield


def engine_slow_start(url: str, in_flight: int, count: int) -> Iterator[Any]:
    return engine(url, in_flight, count, start=16)


def gathered(
    ask: Callable[[Any, int], Any], open_: Callable[[str], Any]
) -> Callable[[str, int, int], Iterator[Any]]:
    """Run a peer that keeps `in_flight` workers busy in one event loop."""

    def client(url: str, in_flight: int, count: int) -> Iterator[Any]:
        import uvloop

        async def work() -> None:
            numbers = iter(range(count))
            async with open_(url) as session:

                async def worker() -> None:
                    for number in numbers:
                        await ask(session, number)

                await asyncio.gather(*(worker() for _ in range(in_flight)))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            yield
            runner.run(work())
            yield

    return client


def bare_session(url: str) -> Any:
    import aiohttp

    return aiohttp.ClientSession(url + "/", connector=aiohttp.TCPConnector(limit=0))


async def bare_ask(session: Any, number: int) -> None:
    async with session.post(
        "chat/completions", json={"model": "m", "messages": prompt(number), "temperature": 0.7}
    ) as response:
        assert (await response.json())["choices"][0]["message"]["content"]


def openai_session(url: str) -> Any:
    import openai

    return openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0)


def openai_aiohttp_session(url: str) -> Any:
    import openai

    client = openai.DefaultAioHttpClient()
    return openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0, http_client=client)


async def openai_ask(session: Any, number: int) -> None:
    response = await session.chat.completions.create(model="m", messages=prompt(number), temperature=0.7)
    assert response.choices[0].message.content


def distilabel(url: str, in_flight: int, count: int) -> Iterator[Any]:
    from distilabel.llms import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline("bench") as pipeline:
        rows = [{"instruction": prompt(number)[1]["content"]} for number in range(count)]
        load = LoadDataFromDicts(data=rows, batch_size=in_flight)
        llm = OpenAILLM(model="m", base_url=url, api_key="x")
        load >> TextGeneration(llm=llm, input_batch_size=in_flight)
    yield
    result = pipeline.run(use_cache=False)
    assert len(result["default"]["train"]) == count
    yield


def curator(url: str, in_flight: int, count: int) -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CURATOR_CACHE_DIR": folder, "CURATOR_DISABLE_CACHE": "1", "TELEMETRY_ENABLED": "0"}
        # the tokenizer file comes with litellm, a requirement of Curator; without this setting it is loaded from the network
        litellm = importlib.util.find_spec("litellm")
        assert litellm is not None
        assert litellm.origin is not None
        tokenizers = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(tokenizers))
        from bespokelabs.curator import LLM

        limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10}
        params = {"base_url": url, "api_key": "x", "max_concurrent_requests": in_flight, **limits}
        llm = LLM(model_name="m", backend="openai", backend_params=params)
        yield
        result = llm([prompt(number)[1]["content"] for number in range(count)])
        assert len(result.dataset) == count
        yield


CLIENTS: dict[str, Callable[[str, int, int], Iterator[Any]]] = {
    "mathmill": engine,
    "mathmill, slow start from 16": engine_slow_start,
    "bare aiohttp": gathered(bare_ask, bare_session),
    "openai[aiohttp]": gathered(openai_ask, openai_aiohttp_session),
    "openai": gathered(openai_ask, openai_session),
    "distilabel": distilabel,
    "Curator": curator,
}
# these peers pin versions that conflict with those of this project
PYTHON_OF = {"distilabel": "MATHMILL_DISTILABEL_PYTHON", "Curator": "MATHMILL_CURATOR_PYTHON"}


def measure(name: str, url: str, in_flight: int, count: int) -> dict[str, float]:
    """Run in the process of the client; CPU and memory include its children."""
    steps = CLIENTS[name](url, in_flight, count)
    next(steps)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    next(steps)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (
        after.ru_utime
        + after.ru_stime
        - before.ru_utime
        - before.ru_stime
        + children.ru_utime
        + children.ru_stime
    )
    return {
        "share": count / seconds / (in_flight / LATENCY),
        "rate": count / seconds,
        "cpu_us": cpu / count * 1e6,
        "grown_mb": (after.ru_maxrss - before.ru_maxrss) / 1024,
    }


def run(name: str, port: int, in_flight: int, count: int) -> dict[str, float] | None:
    """Return None, with a message, if the peer is not installed."""
    # -P: the scripts of this folder must not shadow the packages that they measure
    python = os.environ.get(PYTHON_OF.get(name, "")) or sys.executable
    command = [python, "-P", __file__, "--client", name, str(port), str(in_flight), str(count)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:  # a peer that is not installed
        print(f"{name}: not measured ({done.stderr.strip().splitlines()[-1]})")
        return None
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{name:30} {in_flight:4} in flight, {count:6} requests: {result['share']:6.1%} of the ideal, "
        f"{result['rate']:6.0f}/s, {result['cpu_us']:5.0f} us CPU, +{result['grown_mb']:.0f} MB",
        flush=True,
    )
    return result


def line(name: str, value: str, peer: str, ratio: float, target: float, met: bool) -> bool:
    print(f"{name}: {value}, {peer}, ratio {ratio:.3g}, target {target:.3g}, {'ok' if met else 'short'}")
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--like-theirs", action="store_true")
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        name, port, in_flight, count = options.client
        print(json.dumps(measure(name, f"http://127.0.0.1:{port}/v1", int(in_flight), int(count))))
        return 0
    if options.like_theirs:
        with served() as port:
            bare = run("bare aiohttp", port, 256, 256 * 20)
        assert bare is not None
        latency = LATENCY * max(1.0, bare["cpu_us"] / BARE_CPU_US)
        os.environ[LATENCY_SETTING] = str(latency)
        print(f"these cores are {latency / LATENCY:.2f} times slower: latency {latency * 1000:.0f} ms")
    with served() as port:
        met = compare(port, quick=options.quick)
    return 0 if met else 1


def compare(port: int, *, quick: bool) -> bool:
    """Compare shares and CPU with bare aiohttp in the same run, because on a busy machine no client reaches the
    ideal. The targets are the shares (and 300 us) divided by those of bare aiohttp when they were set; a client that
    reaches the plain figure has met them too."""
    rounds, fewer = (12, 5) if quick else (40, 40)
    ours = {n: run("mathmill", port, n, n * rounds) for n in SHARES}
    bare = {n: run("bare aiohttp", port, n, n * rounds) for n in SHARES}
    peers = {
        name: run(name, port, 256, 256 * fewer)
        for name in CLIENTS
        if name not in ("mathmill", "bare aiohttp")
    }
    grown = run("mathmill", port, 512, 12_000 if quick else 100_000)
    met = []
    for n, (share, theirs) in SHARES.items():
        us, them = ours[n], bare[n]
        if us is None or them is None:
            return False
        ratio, target = us["share"] / them["share"], share / theirs
        good = ratio >= target or us["share"] >= share
        value, peer = f"{us['share']:.3f} of the ideal", f"bare aiohttp {them['share']:.3f}"
        met.append(line(f"share at {n} in flight", value, peer, ratio, target, good))
    us, them = ours[256], bare[256]
    if us is None or them is None or grown is None:
        return False
    ratio, good = us["cpu_us"] / them["cpu_us"], us["cpu_us"] <= CPU_US
    value, peer = f"{us['cpu_us']:.0f} us", f"bare aiohttp {them['cpu_us']:.0f}"
    met.append(
        line("CPU a record", value, peer, ratio, CPU_US / BARE_CPU_US, good or ratio <= CPU_US / BARE_CPU_US)
    )
    for name, target in (("openai[aiohttp]", 1.4), ("openai", 2.0), ("Curator", 2.5), ("distilabel", 4.0)):
        if (other := peers[name]) is not None:
            ratio = us["rate"] / other["rate"]
            value, peer = f"{us['rate']:.0f} 1/s", f"{name} {other['rate']:.0f}"
            met.append(line("requests at 256 in flight", value, peer, ratio, target, ratio >= target))
    short = ours[512]
    if short is not None:
        value, peer = f"+{grown['grown_mb']:.0f} MB", f"the short run +{short['grown_mb']:.0f}"
        ratio = grown["grown_mb"] / short["grown_mb"]
        met.append(line("memory of the long run", value, peer, ratio, 1.25, ratio <= 1.25))
    return all(met)


if __name__ == "__main__":
    sys.exit(main())
