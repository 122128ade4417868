"""Taking secrets out of what an endpoint sent back, before it is stored, logged or shown.

Endpoints and gateways echo headers in their errors, cut keys in the middle, and write them URL-encoded, JSON-escaped,
HTML-escaped or in base64. So each part of a secret of PART or more characters is replaced, in each of these forms,
and always before a text is cut to its length: a key that is cut first does not match any more.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

PART = 8  # characters of a secret that give something away
WHOLE = 12  # characters of a secret that cannot stand in an ordinary answer by chance
SCANNED = (
    64 * 1024
)  # bytes of a body that are looked through for parts; the rest is looked through for whole secrets
MARK = "***"


class Redactor:
    """Immutable; made once per endpoint. `secrets` are the settings' values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {secret.strip() for secret in secrets} - {""}
        forms = {form for value in values for form in _forms(value)}
        self._short = sorted((form for form in forms if len(form) < PART), key=len, reverse=True)
        self._parts = {form[i : i + PART] for form in forms for i in range(len(form) - PART + 1)}
        whole = sorted((form for form in forms if len(form) >= WHOLE), key=len, reverse=True)
        self._whole = [form.encode("utf-8", "replace") for form in whole]

    def text(self, text: str) -> str:
        """`text` without any secret and any part of one."""
        if self._parts:
            text = self._without_parts(text)
        for form in self._short:
            text = text.replace(form, MARK)
        return text

    def answer(self, raw: bytes) -> bytes:
        """An ordinary answer: only whole secrets are looked for, since a model may write any eight characters."""
        for form in self._whole:
            if form in raw:
                raw = raw.replace(form, MARK.encode())
        return raw

    def error(self, raw: bytes) -> bytes:
        """The body of an error, or one that cannot be read: parts are looked for as well."""
        if not self._parts and not self._short:
            return raw
        head, rest = raw[:SCANNED].decode("utf-8", "surrogateescape"), raw[SCANNED:]
        redacted = self.text(head)
        kept = raw[:SCANNED] if redacted == head else redacted.encode("utf-8", "surrogateescape")
        return self.answer(kept + rest)

    def _without_parts(self, text: str) -> str:
        pieces: list[str] = []
        position = copied = 0
        while position <= len(text) - PART:
            if text[position : position + PART] not in self._parts:
                position += 1
                continue
            end = position + PART
            while end < len(text) and text[end - PART + 1 : end + 1] in self._parts:
                end += 1
            pieces += (text[copied:position], MARK)
            position = copied = end
        return "".join([*pieces, text[copied:]]) if pieces else text


def _forms(value: str) -> set[str]:
    url = quote(value, safe="")
    forms = {value, url, url.lower(), quote_plus(value), html.escape(value), json.dumps(value)[1:-1]}
    if len(value) < PART:
        return forms
    data = value.encode("utf-8", "replace")
    for offset in range(3):  # what stands before the secret shifts its base64
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        inner = encoded[-(-offset * 8 // 6) :]
        inner = (
            inner[:-1] if (offset + len(data)) % 3 else inner
        )  # the last character also holds what follows
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    forms.add(data.hex())
    return forms
