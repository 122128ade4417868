"""Finds the program in a reply.

Models put programs between fences of many kinds, or write nothing else; they show a function first and its call
in a second block; they write for a notebook. The program is parsed here and never run. Code in the thinking, and
code that the token limit cut off, is no program.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.interleaved import is_interleaved
from tasks.replies.items import LONGEST, unfit
from tasks.replies.solutions import solution_of

MOST_BLOCKS = 40  # blocks at the end of a reply that are considered
ANALYSED = 50_000  # characters of the longest program that is parsed
TRIES = 6  # lines of a reply without fences at which its program may begin, and may end
FILE = "<reply>"
# names that a program gives its answer (tasks/sandbox/inside/program.py reads them)
ANSWERS = ("ans", "answer", "result", "final_answer", "final_result")

# Python's warnings about backslashes in a model's strings do not concern the user
warnings.filterwarnings("ignore", category=Warning, module=re.escape(FILE))


# names that can make an answer differ between executions
_CHANGING = re.compile(
    r"\b(?:random|default_rng|shuffle|sample|choice|secrets|uuid\w*|urandom|time\w*|date\w*|hash|id|set|frozenset)\b"
    r"|\{[^:{}]*,[^:{}]*\}"
)


def may_change(code: str) -> bool:
    """Return whether the answer of a program may differ between executions, so that it is to be executed twice."""
    return _CHANGING.search(code) is not None


def ends_in_value(code: str) -> bool:
    """Return whether the last statement of a program is an expression, whose value a notebook shows."""
    tree = _parsed(code)
    return tree is not None and bool(tree.body) and isinstance(tree.body[-1], ast.Expr)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code. `named`: its fence or tag says that it is Python. `closed`: a fence or tag ends it."""

    code: str
    named: bool
    closed: bool


def program(text: str, *, cut: bool = False, unfenced: bool = True) -> str | None:
    """Return the program of a reply, None if it has none.

    A block is joined with the earlier blocks that define what it uses; of independent blocks the last one counts. An
    unclosed block counts if it is complete, but not in a reply that the token limit has `cut`: a stop sequence removes the
    closing fence only, the limit removes the end of the program. Unless `unfenced`, only a block is a program.
    """
    text = solution_of(text)[-LONGEST:].replace("\r\n", "\n")
    blocks = [block for block in _blocks(text) if block.code.strip()][-MOST_BLOCKS:]
    if blocks:
        code = _joined(_usable(blocks, cut))
    elif unfenced and not cut:
        code = _unfenced(text)
    else:
        code = None
    if code is None or not code.strip() or unfit(code):
        return None
    return code.strip("\n").rstrip() + "\n"


def chose_program(text: str, *, cut: bool = False) -> bool:
    """Return whether a model that may answer in words or by a program has written a program.

    Only a block is one: lines of words such as "x = 4" are none. An interleaved solution, with a program's output below it, was written in one
    piece, so that its output is the model's own words, and counts by the answer that it states.
    """
    return not is_interleaved(text) and program(text, cut=cut, unfenced=False) is not None


_PYTHON = ("python", "py", "python3", "python2", "ipython", "ipython3", "py3", "tool_code", "sage", "code")
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*(.*)$")
_TAGS = re.compile(
    r"<(?P<tag>llm-code|code|python|program|execute|tool_code|code_block|script)(?:\s[^<>\n]{0,80})?>|\[(?P<bracket>PYTHON|CODE)\]",
    re.IGNORECASE,
)
_ONE_LINE = re.compile(r"(`{3,})(?:python3?|py)[ \t]+([^`\n]+?)[ \t]*\1", re.IGNORECASE)


def _blocks(text: str) -> list[Block]:
    """Return every block between fences, or else between tags, or else between fences on one line."""
    return (
        list(_fenced(text))
        or list(_tagged(text))
        or [Block(match.group(2), True, True) for match in _ONE_LINE.finditer(text)]
    )


def _fenced(text: str) -> Iterator[Block]:
    opened: str | None = None
    indent, info = "", ""
    body: list[str] = []
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if opened is None:
            # a fence that is closed on the same line (```python print(1)```) opens nothing
            if fence and fence.group(2)[0] not in fence.group(3):
                indent, opened, info, body = *fence.groups(), []
            continue
        if fence and fence.group(2).startswith(opened) and not fence.group(3).strip():
            yield _block(body, info, indent, closed=True)
            opened = None
        elif fence and fence.group(2) == opened and fence.group(3).strip().lower() in _PYTHON:
            # the block before was never closed
            yield _block(body, info, indent, closed=True)
            indent, info, body = fence.group(1), fence.group(3), []
        elif line.rstrip().endswith(opened) and line.strip() != opened:
            yield _block([*body, line.rstrip()[: -len(opened)]], info, indent, closed=True)
            opened = None
        else:
            body.append(line)
    if opened is not None:
        yield _block(body, info, indent, closed=False)


def _block(lines: list[str], info: str, indent: str, *, closed: bool) -> Block:
    language = re.sub(r"[^a-z0-9_+#-].*", "", info.strip().strip("{}. ").lower())
    code = "\n".join(line.removeprefix(indent) for line in lines)
    if language and language not in _PYTHON:
        code = ""  # another language, or output
    return Block(code, bool(language), closed)


def _tagged(text: str) -> Iterator[Block]:
    at = 0
    while opening := _TAGS.search(text, at):
        closing = f"</{opening['tag']}>" if opening["tag"] else f"[/{opening['bracket']}]"
        closed = re.compile(re.escape(closing), re.IGNORECASE).search(text, opening.end())
        end = closed.start() if closed else -1
        body = text[opening.end() : end if end >= 0 else len(text)]
        # <code>12</code> in a sentence is no program
        if end < 0 or "\n" in body or (opening["tag"] or "").lower() != "code" or _answers(body):
            yield Block(body.strip("\n"), True, end >= 0)
        if end < 0:
            return
        at = end + len(closing)


def _usable(blocks: Sequence[Block], cut: bool) -> list[str]:
    """Return the blocks that may belong to the program, cleaned so that they parse as Python where possible."""
    if any(block.named for block in blocks):
        blocks = [block for block in blocks if block.named]  # the others show what it prints
    usable = []
    for block in blocks:
        code = _plain(block.code)
        if not code.strip() or (not block.closed and (cut or not _whole(code))):
            continue
        if block.named or _answers(code):
            usable.append(code)
    return usable


def _parsed(code: str) -> ast.Module | None:
    if len(code) > ANALYSED:
        return None
    try:
        return ast.parse(code, FILE)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_MAGIC = re.compile(r"^[ \t]*(?:%{1,2}[A-Za-z]|![A-Za-z]|\?\w|pip3? install\b|\w+\?{1,2}\s*$)")
# what word processors and Chinese keyboards write in place of the characters of Python
_TYPED = str.maketrans("\u00a0\u3000“”‘’（），：；＝＋－＊／［］｛｝", "  \"\"''(),:;=+-*/[]{}")
_NUMBERED = re.compile(r"\s*In ?\[\d+\]:")  # Python reads such a prompt as an annotation
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.|In ?\[\d*\]:|\.\.\.:)(?: |$)")


def _plain(code: str) -> str:
    """Return the code without notebook syntax: magics, shell lines, prompts, a common indentation."""
    code = textwrap.dedent(code)
    if _parsed(code) is not None and not _NUMBERED.match(code):
        return code
    lines = code.split("\n")
    prompted = [i for i, line in enumerate(lines) if _PROMPT.match(line)]
    if prompted and ">>>" in code:
        lines = [_PROMPT.sub("", lines[i], count=1) for i in prompted]
    elif prompted:
        lines = [_PROMPT.sub("", line, count=1) for line in lines]
    plain = textwrap.dedent("\n".join(line for line in lines if not _MAGIC.match(line)))
    for text in (plain, plain.translate(_TYPED)):
        if _parsed(text) is not None:
            return text
    return plain if prompted else code


def _whole(code: str) -> bool:
    """Return whether an unclosed block ends where a program may end: its last statement gives the answer."""
    tree = _parsed(code)
    if tree is None or not tree.body:
        return False
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        return not isinstance(last.value, (ast.Name, ast.Attribute, ast.Constant))
    if isinstance(last, (ast.FunctionDef, ast.If)):
        inner = last.body[-1]
        if isinstance(last, ast.If):
            return isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call)
        return isinstance(inner, ast.Return) and inner.value is not None
    return isinstance(last, ast.Assign) and _names_answer(last)


def _names_answer(statement: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id in ANSWERS for target in statement.targets)


def _answers(code: str) -> bool:
    """Return whether a text is a program that can give an answer: it is Python, and it prints, defines or computes."""
    tree = _parsed(code)
    if tree is None or not tree.body:
        return False
    kinds = (ast.FunctionDef, ast.For, ast.While, ast.AugAssign)
    if any(isinstance(statement, kinds) for statement in tree.body):
        return True
    if any(isinstance(statement, ast.Expr) and _prints(statement.value) for statement in tree.body):
        return True
    assigned = [statement for statement in tree.body if isinstance(statement, ast.Assign)]
    return bool(assigned) and (len(tree.body) > 1 or any(map(_names_answer, assigned)))


def _prints(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"


_BEGINS = re.compile(
    r"^(?:import \w|from [\w.]+ import |def \w+\(|@\w|[A-Za-z_]\w*(?: *, *\w+)* *=(?!=)|print\(|#)"
)


_DEFINES = re.compile(r"(?:def +)?([A-Za-z_]\w*) *(?:=(?!=)|\()")


def _unfenced(text: str) -> str | None:
    """Return the program of a reply without blocks: the whole reply, or consecutive lines of it with prose around them."""
    plain = _plain(text)
    if _answers(plain):
        return plain
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if _BEGINS.match(line)]
    if not starts or len(text) > ANALYSED:
        return None
    # the program ends at the end of the reply, or before a blank line that prose follows
    ends = [len(lines), *(i for i in range(len(lines) - 1, starts[0], -1) if not lines[i].strip())]
    for start in starts[:TRIES]:
        for end in ends[:TRIES]:
            candidate = _plain("\n".join(lines[start:end]))
            if _answers(candidate):
                # lines before it that define what it uses are its own, with an error of syntax: it is kept whole
                before = lines[starts[0] : start]
                own = {name for line in before if (match := _DEFINES.match(line)) for name in match.groups()}
                return "\n".join(lines[starts[0] : end]) if _uses(candidate)[0] & own else candidate
    return None


def _joined(codes: Sequence[str]) -> str | None:
    """Return the last block, preceded by the earlier blocks that define what it uses, directly or indirectly."""
    if not codes:
        return None
    uses = [_uses(code) for code in codes]
    needed = {len(codes) - 1}
    waiting = [len(codes) - 1]
    while waiting:
        at = waiting.pop()
        for name in sorted(uses[at][0]):
            definer = next((i for i in range(at - 1, -1, -1) if name in uses[i][1]), None)
            if definer is None:
                definer = next((i for i in range(at - 1, -1, -1) if "*" in uses[i][1]), None)
            if definer is not None and definer not in needed:
                needed.add(definer)
                waiting.append(definer)
    return "\n".join(codes[i].strip("\n") for i in sorted(needed))


_BUILTIN = frozenset(dir(builtins))


def _uses(code: str) -> tuple[set[str], set[str]]:
    """Return (names that the code uses but does not define, names that it defines at its outer level)."""
    tree = _parsed(code)
    if tree is None:
        return set(), set()
    free: set[str] = set()
    defined: set[str] = set()
    later: set[str] = set()  # used in bodies of functions: looked up when they are called
    for statement in tree.body:
        loads, stores = _names(statement)
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            later |= loads - stores
            defined.add(statement.name)
            continue
        if isinstance(statement, ast.AugAssign):
            loads |= stores
        # a comprehension's or a loop's own variable is bound where it is used
        bound = (
            stores
            if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign))
            else _bound(statement)
        )
        free |= loads - defined - bound
        defined |= stores
    return (free | (later - defined)) - _BUILTIN, defined


def _names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    loads: set[str] = set()
    stores: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            (loads if isinstance(node.ctx, ast.Load) else stores).add(node.id)
        elif isinstance(node, ast.arg):
            stores.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            stores.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            stores |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            stores.add(node.name)
    return loads, stores


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that the right side of an assignment binds: variables of comprehensions and lambdas."""
    return {
        name
        for node in ast.walk(statement)
        if isinstance(node, (ast.comprehension, ast.arg))
        for name in (
            [node.arg]
            if isinstance(node, ast.arg)
            else [inner.id for inner in ast.walk(node.target) if isinstance(inner, ast.Name)]
        )
    }
