"""Which programs search for the answers of a problem, and how many answers they find."""

from __future__ import annotations

import pytest

from tasks.posing.searches import count_in, degenerate, observed, single
from tasks.sandbox import Sandbox

QUESTION = "A positive integer that is at most 77 leaves a remainder of 3 when divided by 7 and of 5 when divided by 11. Find it."
SEARCH = """\
answers = []
for n in range(1, 78):
    if n % 7 == 3 and n % 11 == 5:
        answers.append(n)
print(answers)
"""


@pytest.mark.parametrize(
    "program",
    [
        SEARCH,
        "answers = [n for n in range(1, 78) if n % 7 == 3 and n % 11 == 5]\nprint(answers)",
        "answers = set()\nn = 0\nwhile n < 77:\n    n += 1\n    if n % 7 == 3 and n % 11 == 5: answers.add(n)\nprint(answers)",
        "answers = list(n for n in range(78) if (n % 7, n % 11) == (3, 5))\nprint(answers)",
    ],
)
def test_a_search_proves(program: str) -> None:
    assert degenerate(QUESTION, program) is None


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("answers = [38]\nprint(answers)", "tries no possibilities"),
        ("answers = []\nfor n in range(77): answers.append(38 + 0 * (3 + 5 + 7 + 11))\nprint(answers)", "tests no condition"),
        ("answers = [38]\nfor n in range(77):\n    if n % 7 == 3 and n % 11 == 5: pass\nprint(answers)", "collects no answers"),
        ("found = []\nfor n in range(77):\n    if n % 7 == 3 and n % 11 == 5: found.append(n)\nprint(found)", "collects no answers"),
        ("answers = []\nfor n in range(78):\n    if n % 7 == 3: answers.append(n)\nprint(answers)", "not use all numbers"),
        ("answers = [\n", "cannot be parsed"),
        ("answers = " + "(" * 3000, "cannot be parsed"),
        ("#" * 9000, "too long"),
    ],
)  # fmt: skip
def test_a_degenerate_program_proves_nothing(program: str, why: str) -> None:
    assert why in str(degenerate(QUESTION, program))


def test_the_answers_are_counted_and_the_only_one_is_printed(sandbox: Sandbox) -> None:
    several = SEARCH.replace(" and n % 11 == 5", "")
    none = SEARCH.replace("== 5", "== 12")
    twice = SEARCH.replace("answers.append(n)", "answers.append(n); answers.append(n)")
    counts = [
        count_in(one.stdout) for one in sandbox.run([observed(p) for p in (SEARCH, several, none, twice)])
    ]
    assert counts == [1, 11, 0, 1]
    results = sandbox.run([single(p) for p in (SEARCH, several, none, twice)])
    assert [one.verdict for one in results] == ["ok", "error", "error", "ok"]
    assert [results[0].answer, results[3].answer] == ["38", "38"]


@pytest.mark.parametrize("answer", [None, "", "38", "count:", "count:x", "count:1\n38", "count:99999"])
def test_what_is_no_count_is_none(answer: str | None) -> None:
    assert count_in(answer) is None
