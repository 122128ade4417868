"""The teacher on a real port in a separate process, with the real openai client; equal requests give equal bytes in any process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import openai
import pytest

import prompts
from tasks.problems.machinery.family import LANGUAGES, families, make
from tasks.seeding import rng_of
from tasks.teacher.serve import PortTaken, listen

SERVE = "from tasks.teacher.serve import serve; serve(0, api_key='s3cret')"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    server = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


@pytest.mark.slow
def test_any_openai_client_can_talk_to_it(base_url: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key="s3cret", max_retries=0)
    assert [model.id for model in client.models.list()] == ["embedded", "embedded-small"]
    reply = client.chat.completions.create(
        model="embedded", messages=[{"role": "user", "content": "What is 2 + 3?"}], n=3
    )
    assert len(reply.choices) == 3
    streamed = client.chat.completions.create(
        model="embedded",
        messages=[{"role": "user", "content": "What is 2 + 3?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(streamed)
    assert chunks[-1].usage is not None
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == reply.choices[0].message.content
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=base_url, api_key="no", max_retries=0).models.list()
    stats_url = base_url.removesuffix("/v1") + "/stats"
    assert httpx.get(stats_url).status_code == 401
    stats = httpx.get(stats_url, headers={"Authorization": "Bearer s3cret"}).json()
    assert (stats["calls"], stats["samples"]) == (2, 4)


def test_a_taken_port_is_reported_with_the_fix() -> None:
    with listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port} .*--port"):
            listen("127.0.0.1", port)


PROGRAM = """
import sys
from hashlib import sha256
sys.path.insert(0, sys.argv[1])
from test_serve import conversations
from tasks.teacher.app import complete
from tasks.teacher.character import SMALL, STRONG
from tasks.teacher.wire import ChatRequest
digest = sha256()
for messages in conversations():
    for character in (STRONG, SMALL):
        ask = ChatRequest(character.name, messages, n=3, seed=11, temperature=0.7)
        digest.update(repr(complete(ask, character)).encode())
print(digest.hexdigest())
"""


def conversations() -> list[tuple[tuple[str, str], ...]]:
    """Every job on every fourth family, in both languages."""
    conversations = []
    for name in sorted(families())[::4]:
        for language in LANGUAGES:
            problem = make(families()[name], rng_of("bytes", name, language), 2, language)
            question, solution = problem.question, "\n".join(problem.worked.steps)
            shown = [{"question": question}]
            for prompt, variables in (
                ("solve_cot", {"question": question}),
                ("solve_pot", {"question": question}),
                ("critique", {"question": question, "solution": solution}),
                (
                    "self_instruct",
                    {"subdomain": problem.subdomain, "examples": shown, "count": 3, "difficulty": 2},
                ),
                (
                    "similar",
                    {"subdomain": problem.subdomain, "question": question, "examples": shown, "count": 3},
                ),
            ):
                messages = prompts.load(prompt, language).messages(**variables)
                conversations.append(tuple((message["role"], message["content"]) for message in messages))
    return conversations


@pytest.mark.slow
def test_equal_requests_give_equal_bytes_in_any_process() -> None:
    here = os.path.dirname(__file__)
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, here],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == len(hashlib.sha256().hexdigest())
