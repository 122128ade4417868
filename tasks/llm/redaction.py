"""Redaction: secrets are removed from what an endpoint sent, before it is stored, logged or shown.

Endpoints and gateways echo headers in their errors, cut keys in the middle, and write them URL-encoded, JSON-escaped,
HTML-escaped or in base64. So each part of a secret of PART or more characters is replaced, in each of these forms,
and always before a text is shortened, because a key that is cut off does not match any more.

In an ordinary answer, a part of the value of a header stays if it consists of words such as "application/json", which a
model may write too, and is shorter than LONG.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

PART = 8  # minimum length of a part of a secret that is replaced
WHOLE = 12  # minimum length of a secret that cannot occur in an ordinary answer by chance
LONG = 16  # minimum length of words that a secret and an ordinary answer do not share by chance
SCANNED = 64 * 1024  # bytes of a body that are searched for parts; the rest is searched for whole secrets
MARK = "***"
_GRAM = 4
_TOKEN = re.compile(r"[^\W_]+")


class Redactor:
    """Removes secrets from texts. Immutable; created once per endpoint.

    `secrets` are the secret values of settings; `headers` are values of headers, which may be ordinary words.
    """

    def __init__(self, secrets: Iterable[str], headers: Iterable[str] = ()) -> None:
        keys = {secret.strip() for secret in secrets} - {""}
        values = keys | {header.strip() for header in headers} - {""}
        strict = {form for value in keys for form in _forms(value)}
        self._strict = {form[i : i + PART] for form in strict for i in range(len(form) - PART + 1)}
        forms = {form for value in values for form in _forms(value)}
        self._grams = {
            data[i : i + _GRAM]
            for data in (form.encode("utf-8", "replace") for form in forms if len(form) >= PART)
            for i in range(len(data) - _GRAM + 1)
        }
        self._short = sorted((form for form in forms if len(form) < PART), key=len, reverse=True)
        self._parts = {form[i : i + PART] for form in forms for i in range(len(form) - PART + 1)}
        whole = sorted((form for form in forms if len(form) >= WHOLE), key=len, reverse=True)
        self._whole = [form.encode("utf-8", "replace") for form in whole]

    def text(self, text: str) -> str:
        """Return `text` without any secret or part of one."""
        if self._parts:
            text = self._without_parts(text)
        for form in self._short:
            text = text.replace(form, MARK)
        return text

    def answer(self, raw: bytes) -> bytes:
        """Return an ordinary answer without any secret or part of one; parts of headers that are words stay."""
        for form in self._whole:
            if form in raw:
                raw = raw.replace(form, MARK.encode())
        # every PART consecutive bytes contain the start of one of these: a fast test that is enough for most answers
        if self._grams.isdisjoint([raw[i : i + _GRAM] for i in range(0, len(raw), PART - _GRAM + 1)]):
            return raw
        text = raw.decode("utf-8", "surrogateescape")
        redacted = self._without_parts(text, words=True)
        return raw if redacted == text else redacted.encode("utf-8", "surrogateescape")

    def error(self, raw: bytes) -> bytes:
        """Return the body of an error, or one that cannot be read, without any secret or part of one."""
        if not self._parts and not self._short:
            return raw
        head, rest = raw[:SCANNED].decode("utf-8", "surrogateescape"), raw[SCANNED:]
        redacted = self.text(head)
        kept = raw[:SCANNED] if redacted == head else redacted.encode("utf-8", "surrogateescape")
        return self.answer(kept + rest)

    def _without_parts(self, text: str, *, words: bool = False) -> str:
        """Return `text` without parts of secrets. With `words`, parts of headers that are words and shorter than LONG stay."""
        pieces: list[str] = []
        position = copied = 0
        while position <= len(text) - PART:
            if text[position : position + PART] not in self._parts:
                position += 1
                continue
            end = position + PART
            while end < len(text) and text[end - PART + 1 : end + 1] in self._parts:
                end += 1
            part = text[position:end]
            if (
                words
                and len(part) < LONG
                and are_words(part)
                and self._strict.isdisjoint(part[i : i + PART] for i in range(len(part) - PART + 1))
            ):
                position = end - PART + 1
                continue
            pieces += (text[copied:position], MARK)
            position = copied = end
        return "".join([*pieces, text[copied:]]) if pieces else text


def are_words(part: str) -> bool:
    """Whether a part, which may start or end inside a word, consists of words and numbers as in ordinary text: none mixes
    letters and digits, and letters are all lower case, all upper case or capitalised."""
    for word in part.split():
        if any(character.isdigit() for character in word):
            if any(character.isalpha() for character in word):
                return False
        elif not all(
            token in (token.lower(), token.upper()) or token[1:] == token[1:].lower()
            for token in _TOKEN.findall(word)
        ):
            return False
    return True


def _forms(value: str) -> set[str]:
    """Return the encodings in which a secret may be echoed."""
    url = quote(value, safe="")
    forms = {value, url, url.lower(), quote_plus(value), html.escape(value), json.dumps(value)[1:-1]}
    if len(value) < PART:
        return forms
    data = value.encode("utf-8", "replace")
    for offset in range(3):  # the text before the secret shifts its base64
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        inner = encoded[-(-offset * 8 // 6) :]
        # the last character also encodes what follows
        inner = inner[:-1] if (offset + len(data)) % 3 else inner
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    forms.add(data.hex())
    return forms
