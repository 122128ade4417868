"""The keys of a few requests, which must never change: a change makes every stored completion unreachable."""

from __future__ import annotations

import pytest

from tasks.llm.request import Request

USER = {"role": "user", "content": "2 + 2?"}
KEYS = [
    (Request([USER], "m"), "", "be62cfb2f364749ade161ea29767d90a0ef02a254301186c7e9259ea57bded9d"),
    (Request([{"role": "system", "content": "Be exact."}, USER], "gpt-x", temperature=0, top_p=1), "", "8efda01da86665a9027bd6a6c5bf2a1e2fb171f6a438b00b443d403095dc7acc"),
    (Request([USER], "m", seed=7, sample_index=3, stop=["END"], max_tokens=64, tag="a", longer=99), "r2", "66e003fe982f5147648432fd8a78fd48c8a4ca4645339099482d897f6cbba017"),
    (Request([{"role": "user", "content": "一共 \ud800 x²"}], "m", response_schema={"type": "object"}), "", "d87807dc0c96a452869b4893fe2c763583d1b942522da51e6b5ef761da543b58"),
    (Request([USER], "m").reask("five", "the answer is missing"), "", "cd0ae86ba98fadfb44b33becb29eca54ece3d8aee46a33ce895e3e853307da51"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "revision", "key"), KEYS)
def test_keys_do_not_change(request_: Request, revision: str, key: str) -> None:
    assert request_.key(revision) == key
