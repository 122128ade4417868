"""Who may use the page: hosts, a password or a reverse proxy's header, CSRF tokens, and the headers of every answer.

Without a password and without a proxy the page is served to loopback only, and a request must name loopback as its host, so that no
other site can reach it by a name of its own (DNS rebinding).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storage.errors import StorageError

LOCAL_HOST: Final = re.compile(
    r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
SAFE: Final = ("GET", "HEAD")
USER: Final = "mathmill"  # whose password it is
LOCAL: Final = "local"  # the person where nobody signs in
# no script, style, image or address but the page's own; htmx and the page's script are files of it
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LONGEST_BODY: Final = 1 << 20  # bytes of a form


class AccessError(StorageError):
    """The page must not be served like this."""


@dataclass(frozen=True, slots=True)
class Access:
    """How requests are let in.

    password: asked for by HTTP basic authentication, with the name USER; "" for none. proxy_header: a header that a reverse proxy
    sets to the name of the person who has signed in there; requests without it are refused; "" for none.
    """

    password: str = ""
    proxy_header: str = ""
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def check(self, host: str) -> None:
        """Raise AccessError if the page must not listen on this address without a password or a proxy."""
        if self.password or self.proxy_header or is_loopback(host):
            return
        raise AccessError(
            f"the page is not served on {host} without a password. Fix: set MATHMILL_VIEW_PASSWORD, or MATHMILL_VIEW_PROXY_HEADER "
            "behind a reverse proxy that signs people in, or listen on 127.0.0.1"
        )

    def person(self, headers: Headers) -> str | None:
        """Return who makes the request; None if it is not let in."""
        if self.proxy_header:
            return headers.get(self.proxy_header) or None
        if not self.password:
            return LOCAL
        kind, _, encoded = headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            given = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return None
        name, _, password = given.partition(":")
        right = hmac.compare_digest(password.encode(), self.password.encode())
        return (name or USER) if right else None

    def token(self, person: str) -> str:
        """Return the CSRF token of a person, which every form that changes something carries."""
        return hmac.new(self._secret, person.encode(), hashlib.sha256).hexdigest()

    def is_token(self, person: str, token: str) -> bool:
        """Return whether it is the CSRF token of the person."""
        return hmac.compare_digest(self.token(person).encode(), token.encode())


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class PageGuard:
    """ASGI middleware: refuses foreign hosts and origins and people who are not let in, and sets HEADERS."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, secured)
            return
        scope.setdefault("state", {})["person"] = self._access.person(headers)
        await self._app(scope, receive, secured)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        open_to_others = self._access.password or self._access.proxy_header
        if len(hosts) != 1 or not (open_to_others or LOCAL_HOST.fullmatch(hosts[0])):
            return PlainTextResponse("This host name is not served here.", 403)
        if scope["method"] not in SAFE:
            origins = headers.getlist("origin")
            own = [origin.partition("://")[2] == hosts[0] for origin in origins]
            if not origins or not all(own) or headers.get("sec-fetch-site", "same-origin") != "same-origin":
                return PlainTextResponse("Pages of another origin change nothing here.", 403)
            if (
                not headers.get("content-length", "").isdecimal()
                or int(headers["content-length"]) > LONGEST_BODY
            ):
                return PlainTextResponse("The form is too long.", 413)
        if self._access.person(headers) is None:
            asked = (
                {}
                if self._access.proxy_header
                else {"WWW-Authenticate": 'Basic realm="mathmill", charset="UTF-8"'}
            )
            return PlainTextResponse("Sign in first.", 401, headers=asked)
        return None
