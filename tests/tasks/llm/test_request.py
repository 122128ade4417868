from __future__ import annotations

import dataclasses

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.asking_again import FaultKind, ReplyFault
from tasks.llm.request import Request, encode, request_of

ASK = [{"role": "user", "content": "What is 6 x 7?"}]


def test_the_key_of_a_request_never_changes() -> None:
    """Ledgers outlive releases: a change of this value would ask for everything again."""
    assert Request(ASK, "m", 0.7, 0.9, 256, 3, 1, {"type": "object"}, ("END",)).key("r1") == (
        "1acf44b2dd13ea2ec6bd7a20277a32730de83c3da1e08a62ab8a021089aa5652"
    )


def test_equal_requests_have_equal_keys_however_they_are_spelt() -> None:
    plain = Request(ASK, "m", 1.0, 1.0, 10)
    assert Request(tuple(ASK), "m", 1, 1, 10).key() == plain.key()
    assert Request([dict(reversed(ASK[0].items()))], "m", 1.0, 1.0, 10).key() == plain.key()
    assert dataclasses.replace(plain, tag="judge", longer=99).key() == plain.key()


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, *ASK]}, {"model": "n"}, {"temperature": 0.0},
        {"top_p": 0.5}, {"max_tokens": 11}, {"seed": 0}, {"sample_index": 1}, {"response_schema": {}}, {"stop": ("x",)},
    ],
)  # fmt: skip
def test_whatever_the_model_can_see_is_in_the_key(change: dict) -> None:
    plain = Request(ASK, "m", 1.0, 1.0, 10)
    assert dataclasses.replace(plain, **change).key() != plain.key()
    assert plain.key("r1") != plain.key()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"messages": []}, "message"),
        ({"temperature": float("nan")}, "finite"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_no_endpoint_takes_is_refused(change: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        dataclasses.replace(Request(ASK, "m"), **change)


@given(st.text(st.characters(), max_size=30))
def test_any_text_has_a_key_and_comes_back_from_the_ledger(text: str) -> None:
    request = Request([{"role": "user", "content": text}], "m", seed=1, tag="t")
    again = request_of(request.canonical("r"))
    assert again.key("r") == request.key("r")


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00"])
def test_lone_surrogates_can_be_sent(text: str) -> None:
    data = encode({"content": text, "\ud800": [text]})
    assert orjson.loads(data)["content"].isprintable()
    assert (
        Request([{"role": "user", "content": text}], "m").key()
        == Request([{"role": "user", "content": text}], "m").key()
    )


def test_asking_again_shows_the_answer_and_the_error() -> None:
    again = Request(ASK, "m", longer=50).reask("forty-two", ReplyFault(FaultKind.OTHER, "not a number"))
    assert [m["role"] for m in again.messages] == ["user", "assistant", "user"]
    assert again.messages[1]["content"] == "forty-two"
    assert "not a number" in again.messages[2]["content"]
    assert again.longer is None
