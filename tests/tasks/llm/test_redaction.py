from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.llm.endpoint import Endpoint
from tasks.llm.redaction import Redactor

KEY = 'sk-proj/A1b2C3+d4"E5&f6=G7h8'
HEADER = "Basic dXNlcjpodW50ZXIyaHVudGVyMg=="
END = Endpoint(
    "teacher", "m", ["https://bob:pass%2Fword99@host/v1?api-version=2024-06-01&sig=s1gn4tur3value"],
    api_key=SecretStr(KEY + "\n"), headers={"X-Auth": HEADER}, secrets=["sk-canary-0123456789"],
)  # fmt: skip
FORMS = {
    "raw": KEY,
    "url": quote(KEY, safe=""),
    "json": json.dumps(KEY)[1:-1],
    "html": html.escape(KEY),
    "hex": KEY.encode().hex(),
    **{f"base64 behind {n}": base64.b64encode(b"u" * n + KEY.encode() + b":tail").decode() for n in range(4)},
    "base64url": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "header": HEADER,
    "password": "pass/word99",
    "query": "s1gn4tur3value",
}


def windows(text: str) -> set[str]:
    return {text[i : i + 8] for i in range(len(text) - 7)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_secret_is_taken_out(form: str) -> None:
    text = END.redact(f"Incorrect key provided: {FORMS[form]} (see the docs)")
    assert "***" in text
    assert text.startswith("Incorrect key provided:")
    left = windows(text) & windows(FORMS[form])
    # Text beside the key in the same base64 is no part of the key.
    assert len(left) <= (8 if form.startswith("base64 behind") else 0)


def test_parts_of_eight_characters_are_taken_out_and_shorter_ones_stay() -> None:
    assert END.redact(f"key {KEY[:8]}...{KEY[-9:]}") == "key ***...***"
    assert END.redact(f"key {KEY[:7]}...{KEY[-4:]}") == f"key {KEY[:7]}...{KEY[-4:]}"


def test_redacted_first_then_cut() -> None:
    for start in range(260, 310):
        text = END.redact("x" * start + KEY + " tail")
        assert len(text) <= 300
        assert not windows(text) & windows(KEY)


def test_ordinary_words_stay() -> None:
    message = "teacher endpoint: api-version 2024-06-01 is not supported on host/v1"
    assert END.redact(message) == message


def test_an_answer_keeps_everything_but_whole_secrets() -> None:
    redactor = END.redactor
    answer = json.dumps(
        {"choices": [{"message": {"content": f"{KEY[:7]} and \udc80".replace(chr(0xDC80), "é")}}]}
    ).encode()
    assert redactor.answer(answer) == answer
    assert KEY.encode() not in redactor.answer(b"x" + KEY.encode() + b"y")
    assert HEADER.encode() not in redactor.answer(HEADER.encode())
    body = b'{"error": "headers: ' + KEY[3:14].encode() + b' \xff"}'
    assert redactor.error(body) == b'{"error": "headers: *** \xff"}'


@pytest.mark.parametrize(
    ("part", "stays"),
    [
        ("A1b2C3+d", False),
        ('b2C3+d4"', False),
        ("dXNlcjpo", False),
        ("s1gn4tur3", False),
        ("sk-proj/", False),
        ("and Basic", True),
        ("nary-0123", False),
        ("Basic dX", False),
    ],
)
def test_an_answer_keeps_words_and_no_part_of_a_key(part: str, stays: bool) -> None:
    answer = f'{{"choices": [{{"content": "so it is {part} then"}}]}}'.encode()
    redacted = END.redactor.answer(answer)
    assert (redacted == answer) == stays
    assert stays or (b"***" in redacted and part.encode() not in redacted)


def test_words_of_a_header_stay_in_an_answer() -> None:
    redactor = Redactor([], ["mathematical-reasoning for 2026 olympiads", "https://example.org/mathmill"])
    kept = b"A mathematical proof for 2026 and https://arxiv.org"
    assert redactor.answer(kept) == kept
    assert redactor.answer(b"of mathematical-reasoning for it") == b"of ***it"


@given(st.text(min_size=8, max_size=40), st.text(max_size=60), st.data())
def test_no_part_of_any_secret_is_left(secret: str, around: str, data: st.DataObject) -> None:
    value = secret.strip()
    if len(value) < 8:
        return
    start = data.draw(st.integers(0, len(value) - 8))
    part = value[start : data.draw(st.integers(start + 8, len(value)))]
    redacted = Redactor([secret]).text(around + part + around)
    if "*" not in value:
        assert not windows(redacted) & windows(value)
