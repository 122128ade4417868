"""What a model is asked after a completion that cannot be used, in the language of its prompt.

These texts enter completion keys: the English one does not change. A Chinese prompt goes on in Chinese, with the reason put into Chinese by
its form, since reasons are written in English for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from prompts.schemas import chinese_keys

BEGINNINGS: Final = ("That answer cannot be used", "上面的回答不能使用")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
# form of a reason -> its Chinese words; group 1 is a key of the reply
_REASONS: Final[Sequence[tuple[str, str | Callable[[str], str]]]] = (
    (r"the writer's own check failed", "自己的检验没有通过"),
    (r"no JSON list of (\w+)", "没有 JSON 列表{}".format),
    (r"no JSON object with (\w+)", "没有含{}一项的 JSON 对象".format),
    (r"no JSON critique", "没有写出评判的 JSON"),
    (r"JSON\b.* broken or cut off|broken JSON or cut off", "JSON 有语法错误或不完整"),
    (r"the list of \w+ is empty", "列表是空的"),
    (r"item is a JSON ", "列表中有一项不是 JSON 对象"),
    (r"no program", "没有写出程序"),
    (r"no final answer", "没有写出最终答案"),
    (r"\b(\w+): (?:has no words|string should have at least)", "{}一项是空的".format),
    (r"\b(\w+): (?:field required)", "缺少{}一项".format),
    (r"^(\w+): ", "{}一项不符合要求".format),
)
_OTHER: Final = "不符合所要的格式"


def again(error: str, prompt: str) -> str:
    """Return the message that asks for another completion of `prompt`, the text of the first message. error: in English, why the one before
    cannot be used."""
    if len(_HAN.findall(prompt)) <= len(_LATIN_WORD.findall(prompt)):
        return f"{BEGINNINGS[0]}: {error}. Answer again, mending only that."
    return f"{BEGINNINGS[1]}：{_in_chinese(error)}。请只改正这一处，重新作答。"


def _in_chinese(error: str) -> str:
    for form, words in _REASONS:
        match = re.search(form, error)
        if match is not None and isinstance(words, str):
            return words
        if match is not None and not isinstance(words, str) and (key := chinese_keys().get(match[1])):
            return words(f"“{key}”")
    return _OTHER
