"""MBPP (Austin et al. 2021, arXiv:2108.07732): a task in words in `text` (in the sanitised file `prompt`), a solution in `code`, and assertions in
`test_list`, which need `test_setup_code` or `test_imports`. As its authors do, the question shows the assertions, which name the function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import text_of
from tasks.ingestion.values import Unfit

names = ("mbpp", "sanitizedmbpp", "mbppplus")
domain = "symbolic"
capability = "coding"
_DEFINED = re.compile(r"^def\s+(\w+)\s*\(", re.MULTILINE)


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = dict(record)
    tests = record.get("test_list")
    if not isinstance(tests, list) or not tests or not all(isinstance(one, str) for one in tests):
        raise Unfit("no test_list")
    defined = _DEFINED.findall(text_of(fields, "code"))
    called = next((name for name in defined if re.search(rf"\b{re.escape(name)}\s*\(", tests[0])), None)
    if called is None:
        raise Unfit("the first test calls no function that the code defines")
    imports = record.get("test_imports")
    setup = [*(imports if isinstance(imports, list) else []), record.get("test_setup_code") or ""]
    return [
        {
            "form": "unit_tests",
            "question": f"{text_of(fields, 'text', 'prompt')}\nThe function must pass these tests:\n"
            + "\n".join(tests),
            "reference": called,
            "tests": "\n".join(
                [*filter(None, map(str, setup)), *tests, *(record.get("challenge_test_list") or [])]
            )
            + "\n",
        }
    ]
