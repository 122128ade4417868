"""The program of a reply: which blocks count, which lines are removed, and which texts are no programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.replies.programs import chose_program, program
from tasks.sandbox import Limits, Sandbox, isolation

ROOT = Path(__file__).resolve().parents[3]

PARSED = [
    ("Try:\n```python\nprint(1)\n```\nBetter:\n```py\nx = 2\n\nprint(x)\n```\nDone.", "x = 2\n\nprint(x)\n"),
    ("```\nprint(1)\n```", "print(1)\n"),
    ("```python\nprint(1)\n```\nIt prints\n```\n1\n```", "print(1)\n"),
    ("```python\nx = sym\nprint(1)\n```\nOutput:\n```\nx = 12\ny = 3\n```", "x = sym\nprint(1)\n"),
    ("```python\r\nprint(1)\r\n```", "print(1)\n"),
    # fences
    ("  ```python\nprint(1)\n  ```", "print(1)\n"),
    ("1. So:\n   ```python\n   x = 1\n   print(x)\n   ```", "x = 1\nprint(x)\n"),
    ("```python\nprint(12)```", "print(12)\n"),
    ("```python\nx = 12\nprint(x)```\nThat is 12.", "x = 12\nprint(x)\n"),
    ("````python\nprint(1)\n````", "print(1)\n"),
    ("````python\nx = '''\n```\n'''\nprint(1)\n````", "x = '''\n```\n'''\nprint(1)\n"),
    ("~~~python\nprint(1)\n~~~", "print(1)\n"),
    ("```Python\nprint(1)\n```", "print(1)\n"),
    ("```{python}\nprint(1)\n```", "print(1)\n"),
    ("```python title=\"a\"\nprint(1)\n```", "print(1)\n"),
    ("```python3\nprint(1)\n```", "print(1)\n"),
    ("```tool_code\nprint(1)\n```", "print(1)\n"),
    ("Run ```python print(6 * 7)``` for it.", "print(6 * 7)\n"),
    ("```python\nx = 3\n```python\nprint(x)\n```", "x = 3\nprint(x)\n"),
    # tags
    ("<code>\nprint(1)\n</code>", "print(1)\n"),
    ("So <llm-code>\nprint(1)\n</llm-code>\n<llm-code-output>\n1\n</llm-code-output>\nIt is 1.", "print(1)\n"),
    ("[PYTHON]\nprint(1)\n[/PYTHON]", "print(1)\n"),
    ("<python>\nprint(1)\n</python>", "print(1)\n"),
    # unterminated, and whole
    ("```python\nx = 3\nprint(x)", "x = 3\nprint(x)\n"),
    ("```python\ndef solution():\n    return 12", "def solution():\n    return 12\n"),
    ("```python\nx = 3\nanswer = x * 4", "x = 3\nanswer = x * 4\n"),
    ("<llm-code>\nx = 3\nprint(x)", "x = 3\nprint(x)\n"),
    # no fence
    ("x=12\nprint(x)", "x=12\nprint(x)\n"),
    ("print(1)", "print(1)\n"),
    ("def solution():\n    return 12", "def solution():\n    return 12\n"),
    ("Here is the program:\n\nx = 12\nprint(x)", "x = 12\nprint(x)\n"),
    ("import math\nprint(math.comb(5, 2))\n\nThis prints 10, the number of pairs.", "import math\nprint(math.comb(5, 2))\n"),
    # characters of word processors and Chinese keyboards, replaced only where the program is none otherwise
    ("```python\nx\u00a0= 12\nprint（x）\n```", "x = 12\nprint(x)\n"),
    ("```python\nprint(“12”)\n```", 'print("12")\n'),
    ("```python\nprint('答案：12，对')\n```", "print('答案：12，对')\n"),
    # notebooks
    ("```python\n%matplotlib inline\nprint(1)\n```", "print(1)\n"),
    ("```python\n!pip install sympy\nimport sympy\nprint(1)\n```", "import sympy\nprint(1)\n"),
    ("```python\n%%time\nx = 2\nprint(x)\n```", "x = 2\nprint(x)\n"),
    ("```python\npip install sympy\nprint(1)\n```", "print(1)\n"),
    ("```python\n>>> x = 3\n>>> print(x)\n3\n```", "x = 3\nprint(x)\n"),
    ("```python\nIn [1]: x = 3\nIn [2]: print(x)\n```", "x = 3\nprint(x)\n"),
    ("```python\nx = (7\n% 4)\nprint(x)\n```", "x = (7\n% 4)\nprint(x)\n"),
    # several blocks
    (
        "First:\n```python\ndef f(a, b):\n    return a*b\n```\nThen:\n```python\nprint(f(3, 4))\n```",
        "def f(a, b):\n    return a*b\nprint(f(3, 4))\n",
    ),
    ("```python\nx = 3\n```\nand\n```python\ny = 4\n```\nso\n```python\nprint(x * y)\n```", "x = 3\ny = 4\nprint(x * y)\n"),
    ("```python\nfrom sympy import *\n```\n```python\nx = symbols('x')\nprint(x)\n```", "from sympy import *\nx = symbols('x')\nprint(x)\n"),
    ("```python\nx = 1\n```\nWrong:\n```python\nx = 2\n```\nso\n```python\nprint(x)\n```", "x = 2\nprint(x)\n"),
    ("```python\ntotal = 5\n```\n```python\ntotal = total + 5\nprint(total)\n```", "total = 5\ntotal = total + 5\nprint(total)\n"),
    ("```python\ntotal = 5\n```\n```python\ntotal += 5\nprint(total)\n```", "total = 5\ntotal += 5\nprint(total)\n"),
    ("```python\nx = 9\nprint(x)\n```\n```python\nprint([x for x in range(3)])\n```", "print([x for x in range(3)])\n"),
    ("```bash\npip install sympy\n```\n```python\nprint(1)\n```", "print(1)\n"),
    ("```python\nprint(1)\n```\n```bash\npython a.py\n```", "print(1)\n"),
    # thinking and tokens
    ("<think>\n```python\nprint(1)\n```\n</think>\n```python\nprint(2)\n```", "print(2)\n"),
    ("```python\nprint(2)\n```<|im_end|>\n<|im_start|>user\n```python\nprint(3)\n```", "print(2)\n"),
]  # fmt: skip

NOTHING = [
    "",
    "```python\n```",
    "```python\nx = 3\nprin",
    "```python\nx = 3\nprint(x",
    "```text\nprint\n```",
    "```python\nprint('\x00')\n```",
    "The answer is 12.",
    "42",
    "Answer",
    "```cpp\nint main() {}\n```",
    "<think>\nmaybe\n```python\nprint(12)\n```\n",
    "<|begin_of_thought|>\n```python\nprint(12)\n```\n",
    "<think>\nx=12\nprint(x)",
    "Use <code>12</code> here.",
    "import math\nimport numpy as np\n\ndef solver():\n    x =\n",
]


@pytest.mark.parametrize(("text", "code"), PARSED)
def test_the_program_of_a_reply(text: str, code: str) -> None:
    assert program(text) == code


@pytest.mark.parametrize("text", NOTHING)
def test_no_program(text: str) -> None:
    assert program(text) is None


def test_what_the_token_limit_cut_off_is_no_program() -> None:
    whole = "```python\nx = 3\nprint(x)\n```\nSo it is"
    assert program(whole, cut=True) == "x = 3\nprint(x)\n"
    assert program("```python\nx = 3\nprint(x)", cut=True) is None
    assert program("x = 3\nprint(x)", cut=True) is None


@pytest.mark.slow
def test_hostile_replies_of_a_megabyte_are_read_within_bounded_work() -> None:
    marks = ["```python\n", "```\n", "`" * 3, "<code>", "</code>", "x = (\n", "def f():\n", "(", "[", "~~~\n", ">>> x\n", "%a\n", "\n\n", "print(", "```python\nx\n```\n"]  # fmt: skip
    code = (
        "import sys\nfrom tasks.replies.programs import program\n"
        f"for mark in {marks!r}:\n    program(mark * (1_000_000 // len(mark)))\nprint('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout == "done\n", done.stderr[-2000:]


ANSWERS = {
    "solver()": ("def solver():\n    return 12", "12"),
    "solve()": ("def solve():\n    return 12", "12"),
    "simple_math_problem()": ("def simple_math_problem():\n    return 12", "12"),
    "any function of no arguments": ("def total_boxes():\n    return 12", "12"),
    "a function with defaults": ("def boxes(a=3, b=4):\n    return a * b", "12"),
    "a helper beside it": ("def double(x):\n    return 2 * x\ndef count():\n    return double(6)", "12"),
    "a helper of no arguments": ("def six():\n    return 6\ndef count():\n    return 2 * six()", "12"),
    "main() that prints": ("def main():\n    print(12)", "12"),
    "a last expression": ("x = 3\nx*4", "12"),
    "a last call": ("def f(x):\n    return 4 * x\nf(3)", "12"),
    "a last expression after prints": ("print('working')\n6 * 2", "12"),
    "a last name": ("total = 12\ntotal", "12"),
    "result": ("result = 3 * 4", "12"),
    "a final result after prints": ("print('working')\nresult = 3 * 4", "12"),
    "final_answer": ("final_answer = 12", "12"),
    "the last assignment": ("x = 3\nboxes = x * 4", "12"),
    "print() as a last expression": ("x = 3\nprint(x * 4)", "12"),
    "a last string is a comment": ("print(12)\n'''that is it'''", "12"),
    "a sentence": ('n=12\nprint(f"The shop needs {n} boxes.")', "12"),
    "a sentence with money": ("print('She earns $1,234.50 in total.')", "$1,234.50"),
    "a label": ("print('Total:', 12)", "12"),
    "a sentence of several numbers": ("print('The total for 5 friends is 12 dollars.')", "12"),
    "a calculation": ("print('3 * 4 = 12')", "3 * 4 = 12"),
    "a Chinese sentence": ("print('一共有12个苹果。')", "12"),
    "a rule under the answer": ("print(12)\nprint('-----')", "12"),
    "a value with its unit": ("print('12 boxes')", "12 boxes"),
    "several values stay": ("print('x = 3, y = 4')", "x = 3, y = 4"),
    "a word": ("print('Yes')", "Yes"),
    "an expression": ("print('x**2 + 1')", "x**2 + 1"),
    "a list": ("ans = [2, 3]", "[2, 3]"),
}


@pytest.mark.slow
@pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")
def test_where_a_program_leaves_its_answer() -> None:
    with Sandbox(Limits(wall_s=5.0), workers=2) as box:
        results = box.run([code for code, _ in ANSWERS.values()])
    outcomes = {name: result.answer or result.error for name, result in zip(ANSWERS, results, strict=True)}
    assert outcomes == {name: answer for name, (_, answer) in ANSWERS.items()}


@pytest.mark.parametrize(
    "text",
    [
        "a = 3\nb = (4\nprint(a*b)\n",
        "def area(r)\n    return 3 * r ** 2\nprint(area(2))\n",
        "x = 12\ny = 5 x\n\nprint(x + y)\n",
    ],
)
def test_a_program_with_an_error_of_syntax_is_kept_whole(text: str) -> None:
    assert program(text) == text


def test_prose_before_a_program_that_needs_nothing_of_it_is_left_out() -> None:
    assert program("total = 5 apples and more\nprint(2 + 3)\n") == "print(2 + 3)\n"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("We compute:\n```python\nprint(6 * 7)\n```", True),
        ("6 * 7 = 42, so \\boxed{42}", False),
        ("x = 4\ny = x + 1", False),  # lines of words, though Python reads them
        (
            "```python\nprint(6 * 7)\n```\n```output\n42\n```\nSo it is \\boxed{42}.",
            False,
        ),  # written in one piece
    ],
)
def test_a_block_alone_is_a_program_where_a_model_chooses(text: str, chosen: bool) -> None:
    assert chose_program(text) == chosen
