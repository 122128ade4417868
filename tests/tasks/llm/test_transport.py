"""Transports alone: proxies of the environment, limits on the bytes that are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tasks.llm.transport import AsgiTransport, HttpTransport, TransportError


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def echo(request: web.Request) -> web.Response:
        via = request.headers.get("Host", "")
        return web.json_response(
            {"path": str(request.url), "via": via, "body": (await request.read()).decode()}
        )

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("/v1/echo")

    app = web.Application()
    app.add_routes(
        [web.post("/v1/echo", echo), web.post("/v1/endless", endless), web.post("/v1/moved", moved)]
    )
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_an_endless_answer_is_cut_off(server: str) -> None:
    transport = HttpTransport(server + "/v1", most_bytes=1_000_000)
    with pytest.raises(TransportError, match="over 1000000 bytes") as cut:
        await transport.post("/endless", {}, b"{}", 20.0)
    assert cut.value.started
    await transport.close()


async def test_redirects_are_returned_and_not_followed(server: str) -> None:
    transport = HttpTransport(server + "/v1/")
    assert (await transport.post("/moved", {}, b"secret", 20.0)).status == 302
    assert (await transport.post("/echo", {}, b"{}", 20.0)).status == 200
    await transport.close()


async def test_the_proxy_of_the_environment_is_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    transport = HttpTransport("http://model.invalid/v1")
    answer = await transport.post("/echo", {}, b"hello", 20.0)
    assert b'"via": "model.invalid"' in answer.body
    assert b"hello" in answer.body
    await transport.close()
    direct = HttpTransport(server + "/v1")  # named in no_proxy
    assert (await direct.post("/echo", {}, b"{}", 20.0)).status == 200
    await direct.close()


async def test_an_application_that_hangs_is_timed_out() -> None:
    async def hang(scope: object, receive: object, send: object) -> None:
        await asyncio.sleep(60)

    with pytest.raises(TransportError) as late:
        await AsgiTransport(hang).post("/chat/completions", {}, b"{}", 0.05)
    assert late.value.timed_out
    assert not late.value.started


RESPONSES = {
    "no gzip": (b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", True),
    "no gzip in chunks": (
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        True,
    ),
    "a chunk without a size": (b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", True),
    "a chunk that is cut": (b"Transfer-Encoding: chunked\r\n\r\n50\r\nhello", False),
    "a body that is cut": (b"Content-Length: 500\r\n\r\nhello", False),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_body_that_cannot_be_decoded_is_distinguished_from_one_that_was_cut(name: str) -> None:
    """The first is answered so every time and is not bought again; the second may come whole."""
    response, garbled = RESPONSES[name]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + response)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    transport = HttpTransport(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")
    with pytest.raises(TransportError) as error:
        await transport.post("/chat/completions", {}, b"{}", 20.0)
    assert (error.value.started, error.value.garbled) == (True, garbled)
    await transport.close()
    listening.close()
