"""The keys of a few requests, which must never change: a change makes every stored completion unreachable."""

from __future__ import annotations

import pytest

from prompts.asking_again import FaultKind, ReplyFault
from tasks.llm.request import Request

USER = {"role": "user", "content": "2 + 2?"}
CHINESE = Request([{"role": "user", "content": "你是一位严谨的老师。求 2 + 2 的值。"}], "m")
KEYS = [
    (Request([USER], "m"), "", "be62cfb2f364749ade161ea29767d90a0ef02a254301186c7e9259ea57bded9d"),
    (Request([{"role": "system", "content": "Be exact."}, USER], "gpt-x", temperature=0, top_p=1), "", "8efda01da86665a9027bd6a6c5bf2a1e2fb171f6a438b00b443d403095dc7acc"),
    (Request([USER], "m", seed=7, sample_index=3, stop=["END"], max_tokens=64, tag="a", longer=99), "r2", "66e003fe982f5147648432fd8a78fd48c8a4ca4645339099482d897f6cbba017"),
    (Request([{"role": "user", "content": "一共 \ud800 x²"}], "m", response_schema={"type": "object"}), "", "d87807dc0c96a452869b4893fe2c763583d1b942522da51e6b5ef761da543b58"),
    (Request([USER], "m").reask("five", ReplyFault(FaultKind.OTHER, "the answer is missing")), "", "cd0ae86ba98fadfb44b33becb29eca54ece3d8aee46a33ce895e3e853307da51"),
    # of re-asks in Chinese, as they were before faults had kinds
    (CHINESE.reask("五", ReplyFault(FaultKind.NO_LIST, "no JSON list of problems in the completion", "problems")), "", "7b6671fc2a020e5be1e646fcbedf97d5c4ec128fb8d4f9a1c9367073226640ec"),
    (CHINESE.reask("五", ReplyFault(FaultKind.MISSING_FIELD, "question: field required", "question")), "", "3065ae43a2e447b0402aa352a97287f5b3737e38b95989a59c830117eba032a2"),
    (CHINESE.reask("五", ReplyFault(FaultKind.NO_FINAL_ANSWER, "no final answer in the completion")), "", "56fc9aa0d0b62287eb92a92b10851af61b4e4653c85465658c9117ffd0641968"),
    (CHINESE.reask("五", ReplyFault(FaultKind.BROKEN_JSON, "the JSON of the completion is broken or cut off")), "", "f31af3b4e71c506bf2480e1db71e401b9240dc05ecef2681fec29ec416dded17"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "revision", "key"), KEYS)
def test_keys_do_not_change(request_: Request, revision: str, key: str) -> None:
    assert request_.key(revision) == key
