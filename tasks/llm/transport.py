"""Transports of requests and responses: HTTP, or an ASGI application in this process. They do not retry."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class TransportError(OSError):
    """No complete response came.

    `started` is true if a response with status 2xx had started, which may be charged. `timed_out` is true if the timeout
    of the caller passed, `garbled` if a response came that cannot be parsed as HTTP.
    """

    def __init__(
        self, message: str, *, started: bool = False, timed_out: bool = False, garbled: bool = False
    ) -> None:
        super().__init__(message)
        self.garbled = garbled
        self.started = started
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. `headers` are looked up by lower-case names."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Transport(Protocol):
    """Sends requests to one base URL. `post` and `get` raise TransportError, also after `seconds`."""

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response: ...

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response: ...

    async def close(self) -> None: ...


class HttpTransport:
    """HTTP by aiohttp, with one connection pool per base URL. `as_written` sends URLs with exactly the escapes that they have;
    otherwise those that are not needed are removed."""

    def __init__(
        self,
        base_url: str,
        *,
        connect: float = 10.0,
        most_bytes: int = 32 * 1024 * 1024,
        as_written: bool = False,
    ) -> None:
        self._as_written = as_written
        self._base_url = base_url.rstrip("/")
        self._connect = connect
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        return await self._send("POST", path, headers, body, seconds)

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        return await self._send("GET", path, headers, None, seconds)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> Response:
        started = False
        try:
            async with (
                asyncio.timeout(seconds),
                self._pool().request(
                    method, self._url(path), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                started = 200 <= response.status < 300
                content = await self._read(response)
                return Response(response.status, response.headers, content)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):  # its connect timeout is both
                raise TransportError(f"no connection within {self._connect:g} s") from error
            raise TransportError(
                f"no whole answer in {seconds:g} s", started=started, timed_out=True
            ) from error
        except TransportError:
            raise
        except aiohttp.ClientResponseError as error:
            # The response is not HTTP (two lengths, a header without a colon): the call was answered and is charged.
            problem = f"a response that is not HTTP: {error.message or type(error).__name__}"
            raise TransportError(problem, started=True, garbled=True) from error
        except aiohttp.ClientPayloadError as error:
            # A body that was cut off may be complete the next time; one that is complete and not gzip comes so every time.
            undecodable = started and isinstance(error.__cause__, ContentEncodingError)
            problem = (
                "a body that is not encoded as its headers say"
                if undecodable
                else f"{type(error).__name__}: {error}"
            )
            raise TransportError(problem, started=started, garbled=undecodable) from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(f"{type(error).__name__}: {error}", started=started) from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and length <= self._most_bytes and "Content-Encoding" not in response.headers:
            return await response.read()
        # Without a length the sender could continue for ever: stop at the limit.
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self._most_bytes:
                raise TransportError(f"a response of over {self._most_bytes} bytes", started=True)
            pieces.append(piece)
        return b"".join(pieces)

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(joined(self._base_url, path), encoded=self._as_written)
        return url

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Servers drop idle connections (uvicorn after 5 s), and one that is dropped during a call looks like a fault.
            connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=4)
            limits = aiohttp.ClientTimeout(total=None, connect=self._connect, sock_connect=self._connect)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=limits,
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=_proxy(self._base_url),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def joined(base_url: str, path: str) -> str:
    """Return a base URL with `path` appended to its path, before its query (Azure: `.../deployments/NAME?api-version=DATE`).
    A query of `path` comes after that of the URL."""
    parts, (below, _, query) = urlsplit(base_url), path.partition("?")
    queries = "&".join(part for part in (parts.query, query) if part)
    return parts._replace(path=parts.path.rstrip("/") + below, query=queries).geturl()


def _proxy(base_url: str) -> str | None:
    """Return the proxy that the environment names for this host.

    It is read once: aiohttp's own `trust_env` reads the environment and ~/.netrc at every call, in threads, which takes
    longer than the call itself.
    """
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


class AsgiTransport:
    """Calls an ASGI application with the same bytes that HTTP would carry, without a socket."""

    def __init__(self, app: AsgiApp, base_url: str = "http://embedded/v1") -> None:
        parts = urlsplit(base_url)
        self._app = app
        self._prefix = parts.path.rstrip("/")
        self._host = (b"host", (parts.hostname or "embedded").encode())

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        return await self._send("POST", path, headers, body, seconds)

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        return await self._send("GET", path, headers, b"", seconds)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
    ) -> Response:
        below, _, query = path.partition("?")
        full = self._prefix + below
        sent = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": full,
            "raw_path": full.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [self._host, (b"content-length", str(len(body)).encode()), *sent],
            "client": ("127.0.0.1", 0),
            "server": ("embedded", 80),
        }
        pending = True
        status = 0
        response_headers: dict[str, str] = {}
        pieces: list[bytes] = []

        async def receive() -> dict[str, Any]:
            nonlocal pending
            if pending:
                pending = False
                return {"type": "http.request", "body": body, "more_body": False}
            await asyncio.Event().wait()  # the caller never hangs up first
            raise AssertionError("unreachable")

        async def send(event: Mapping[str, Any]) -> None:
            nonlocal status, response_headers
            if event["type"] == "http.response.start":
                status = event["status"]
                response_headers = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in event["headers"]
                }
            elif event["type"] == "http.response.body":
                pieces.append(event.get("body", b""))

        try:
            async with asyncio.timeout(seconds):
                await self._app(scope, receive, send)
        except TimeoutError as error:
            raise TransportError(
                f"no answer in {seconds:g} s", started=200 <= status < 300, timed_out=True
            ) from error
        return Response(status, response_headers, b"".join(pieces))

    async def close(self) -> None:
        return None
