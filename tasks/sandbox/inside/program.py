"""The forked child: executes a program and reports its answer as text.

Runs inside the isolation (see server.py), where nothing of the project can be imported. The report is the program's own
statement: it shares the process, so it could print the same. What matters is that no method of the program is called to
create the report.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import decimal
import fractions
import functools
import io
import random
import resource
import site
import sys
import time
import types
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TypeVar

# The functions below keep these builtins whatever a program does to the module `builtins`.
globals()["__builtins__"] = dict(vars(builtins))

# The names that programs give to their answer, and to the function that returns it; the first one that exists counts.
NAMES = ("ans", "answer", "final_answer", "final_result", "result")
FUNCTIONS = ("solution", "solve", "solver", "simple_math_problem", "main")


class TooLong(Exception):
    """The answer is longer than the limit."""


def prepare(config: dict[str, Any]) -> Callable[[str], bytes]:
    """Import and warm the libraries that programs use, fix what would differ between two isolations, and create what every
    child needs. Returns `run(text) -> report`, which is called once in each child."""
    import numpy
    import numpy.random
    import sympy

    # sympy numbers its dummies from a random start, and orders results by them
    sympy.Dummy._base_dummy_index = 10**6 + config["seed"]
    sympy.core.random.seed(config["seed"])
    x, y = sympy.symbols("x y")
    sympy.solve([x + y - 3, x - y - 1], [x, y])
    sympy.solve(x**2 - 2 * x - 3, x)
    sympy.simplify((x**2 - 1) / (x - 1) + sympy.sqrt(8)).evalf()
    sympy.nsimplify(sympy.Rational(1, 3) + numpy.float64(0.5).item())
    site.setquit()
    ast.parse("ans = 0")
    if config["clock_shift_s"]:
        shift_clock(config["clock_shift_s"])
    raw = Output(1, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", newline="\n")
    noise = io.FileIO(2, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(noise, "utf-8", "backslashreplace")
    vars(sys).update(__stdout__=sys.stdout, __stderr__=sys.stderr)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    vars(main)["__builtins__"] = builtins
    answers = Answers(config["answer_chars"])
    random.seed(config["seed"])
    numpy.random.seed(config["seed"])
    return functools.partial(run, space=vars(main), raw=raw, flush=sys.stdout.flush, answers=answers)


class Answers:
    """Converts values to text by exact type: a program's own __str__, __repr__ or __reduce__ is never called.

    Types are looked up by identity: a class can have a metaclass whose __eq__ and __hash__ claim that it is another
    class, so `kind in classes` would call code of the program and trust it.
    """

    def __init__(self, limit: int) -> None:
        import numpy
        import sympy

        self.limit = limit
        self.plain: dict[int, Callable[[Any], str]] = by_identity(
            {
                bool: bool.__repr__,
                float: float.__repr__,
                complex: complex.__repr__,
                fractions.Fraction: fractions.Fraction.__str__,
                decimal.Decimal: decimal.Decimal.__str__,
            }
        )
        curly = ("{", "}")
        self.brackets: dict[int, tuple[str, str]] = by_identity(
            {
                list: ("[", "]"),
                tuple: ("(", ")"),
                set: curly,
                frozenset: curly,
                dict: curly,
            }
        )
        self.ndarray, self.to_list, self.item = numpy.ndarray, numpy.ndarray.tolist, numpy.generic.item
        self.scalars = identities(numpy.generic)
        self.basic = identities(sympy.Basic)
        self.matrices = identities(sympy.MatrixBase)
        self.sympy_text = sympy.sstr

    def text(self, value: Any, depth: int = 8) -> str | None:
        """Return the value as a string, or None for an unknown type. Raises TooLong beyond the limit."""
        kind = type(value)
        if kind is int:
            if value.bit_length() > 3.3 * self.limit:
                raise TooLong
            return int.__repr__(value)
        if kind is str:
            return self.checked(value)
        number = id(kind)
        if number in self.plain:
            return self.checked(self.plain[number](value))
        if not depth:
            return None
        if number in self.brackets:
            return self.many(value, kind, depth - 1)
        if number in self.scalars:
            return self.text(self.item(value), depth - 1)
        if kind is self.ndarray:
            if value.size > self.limit:
                raise TooLong
            return self.text(self.to_list(value), depth - 1)
        if number in self.matrices:
            return self.text(value.tolist(), depth - 1)
        if number in self.basic and self.genuine(value):
            return self.checked(self.sympy_text(value))
        return None

    def many(self, value: Any, kind: type, depth: int) -> str | None:
        if len(value) > self.limit:
            raise TooLong
        if kind is dict:
            pairs = [(self.text(k, depth), self.text(v, depth)) for k, v in value.items()]
            texts = [None if k is None or v is None else f"{k}: {v}" for k, v in pairs]
        else:
            texts = [self.text(item, depth) for item in value]
        parts = [part for part in texts if part is not None]
        if len(parts) < len(texts):
            return None
        if kind is set or kind is frozenset:
            parts.sort()
        opening, closing = self.brackets[id(kind)]
        comma = "," if kind is tuple and len(parts) == 1 else ""
        return self.checked(f"{opening}{', '.join(parts)}{comma}{closing}")

    def genuine(self, value: Any) -> bool:
        """Whether a sympy object consists only of sympy's own classes."""
        waiting, seen = [value], 0
        while waiting:
            item = waiting.pop()
            seen += 1
            if seen > self.limit:
                raise TooLong
            if id(type(item)) not in self.basic:
                return False
            waiting.extend(item.args)
        return True

    def checked(self, text: str) -> str:
        if len(text) > self.limit:
            raise TooLong
        return text


def subclasses(kind: type) -> list[type]:
    classes = [kind]
    below: list[type] = type.__subclasses__(kind)
    for other in below:
        classes += subclasses(other)
    return classes


Entry = TypeVar("Entry")


def by_identity(entries: dict[type, Entry]) -> dict[int, Entry]:
    return {id(kind): entry for kind, entry in entries.items()}


def identities(kind: type) -> set[int]:
    """Return the ids of a class and of all its subclasses so far, which exist as long as the process."""
    return {id(member) for member in subclasses(kind)}


class Output(io.FileIO):
    """Descriptor 1, which counts the bytes written to it."""

    written = 0

    def write(self, data: Any) -> int:
        count = super().write(data)
        self.written += count
        return count


def run(text: str, space: dict[str, Any], raw: Output, flush: Callable[[], None], answers: Answers) -> bytes:
    """Execute a program and return its report as JSON bytes: {"value", "named_last"}, or that of describe()."""
    try:
        try:
            try:
                code, last, target = compiled(text)
            except MemoryError:  # CPython's parser raises it if its stack is full
                raise SyntaxError("too deeply nested") from None
            exec(code, space)
            shown = None
            if last is not None:
                flush()
                before = raw.written
                shown = eval(last, space)
                flush()
                if raw.written > before:
                    shown = None  # the printed text is the answer, not what a call such as write() returns
            exited = False
        except SystemExit as end:
            if type(end.code) not in (int, type(None)) or end.code:
                raise
            exited, shown = True, None
        flush()
        value = shown if answers.text(shown) is not None else None
        chosen = value is not None or target in NAMES
        if value is None:
            given = (space.get(name) for name in NAMES)
            value = next(
                (one for one in given if one is not None and type(one) is not types.FunctionType), None
            )
        if value is None and not exited and not raw.written:
            call = entry_point(space)
            value = call() if call is not None else space.get(target or "")
            flush()
        words = answers.text(value)
        value_json = "null" if words is None else quoted(words)
        named = "true" if words is not None and raw.written and chosen else "false"
        return f'{{"value": {value_json}, "named_last": {named}}}'.encode()
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        report = describe(error)
        try:
            flush()
        except (OSError, ValueError):
            return report  # the program closed its stdout; the error before is what matters
        return report


def compiled(text: str) -> tuple[types.CodeType, types.CodeType | None, str | None]:
    """Compile a program. All parsing is done here, before the program can patch what the parser uses.

    Returns the program's code; apart from it the code of its last statement, where that is an expression whose
    value a notebook would show (None where it is another statement, or only words); and the name that the last
    statement assigns to (None where it assigns to none).
    """
    tree = ast.parse(text, "<program>")
    end = tree.body[-1] if tree.body else None
    if not isinstance(end, ast.Expr) or (
        isinstance(end.value, ast.Constant) and type(end.value.value) is str
    ):
        return compile(text, "<program>", "exec", dont_inherit=True), None, target_of(end)
    del tree.body[-1]
    first = compile(tree, "<program>", "exec", dont_inherit=True)
    return first, compile(ast.Expression(end.value), "<program>", "eval", dont_inherit=True), None


def entry_point(space: dict[str, Any]) -> types.FunctionType | None:
    """Return the function that gives the answer: one of FUNCTIONS, else the only one that can be called without
    arguments; of several, the last one that no other function of the program uses."""
    functions = {name: value for name, value in space.items() if type(value) is types.FunctionType}
    ready = {name: value for name, value in functions.items() if needs_nothing(value)}
    for name in FUNCTIONS:
        if name in ready:
            return ready[name]
    used = {name for value in functions.values() for name in value.__code__.co_names}
    free = [value for name, value in ready.items() if name not in used and value.__module__ == "__main__"]
    return free[-1] if free else None


def needs_nothing(call: types.FunctionType) -> bool:
    """Whether a function can be called without arguments."""
    code = call.__code__
    return code.co_argcount <= len(call.__defaults__ or ()) and code.co_kwonlyargcount <= len(
        call.__kwdefaults__ or ()
    )


def target_of(statement: ast.stmt | None) -> str | None:
    """Return the name that a statement assigns to; one of NAMES if it assigns to several."""
    if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        return None
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    names = [target.id for target in targets if type(target) is ast.Name]
    return next((name for name in names if name in NAMES), names[-1] if names else None)


TYPE: dict[str, Any] = dict(vars(type))
ERROR: dict[str, Any] = dict(vars(BaseException))
name_of: Callable[[type], str] = TYPE["__name__"].__get__
lineage_of: Callable[[type], tuple[type, ...]] = TYPE["__mro__"].__get__
OS_ERRORS, SYNTAX_ERRORS = identities(OSError), identities(SyntaxError)
BASES = {id(kind) for kind in (MemoryError, OSError, TooLong, Exception, BaseException)}


def describe(error: BaseException) -> bytes:
    """Return an exception as JSON bytes: type, start of the message, line, errno. None of its own methods is called."""
    kind = type(error)
    words = [item[:300] for item in ERROR["args"].__get__(error)[:2] if type(item) is str]
    line: Any = vars(SyntaxError)["lineno"].__get__(error) if id(kind) in SYNTAX_ERRORS else None
    trace = ERROR["__traceback__"].__get__(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    number: Any = vars(OSError)["errno"].__get__(error) if id(kind) in OS_ERRORS else None
    base = next(name_of(base) for base in lineage_of(kind) if id(base) in BASES)
    return (
        f'{{"error": {quoted(name_of(kind)[:100])}, "words": {quoted(words[0] if words else "")},'
        f' "line": {line if type(line) is int else "null"},'
        f' "errno": {number if type(number) is int else "null"}, "base": {quoted(base)}}}'
    ).encode()


def shift_clock(seconds: int) -> None:
    """Shift the calendar that Python programs read (time and datetime); the clock of the kernel cannot be changed."""
    now, now_ns, text = time.time, time.time_ns, time.strftime
    local, universal = time.localtime, time.gmtime
    vars(time).update(
        time=lambda: now() + seconds,
        time_ns=lambda: now_ns() + seconds * 10**9,
        localtime=lambda at=None: local(now() + seconds if at is None else at),
        gmtime=lambda at=None: universal(now() + seconds if at is None else at),
        ctime=lambda at=None: time.asctime(time.localtime(at)),
        strftime=lambda form, at=None: text(form, time.localtime() if at is None else at),
    )
    later = {
        "now": classmethod(lambda cls, tz=None: cls.fromtimestamp(now() + seconds, tz)),
        "today": classmethod(lambda cls: cls.fromtimestamp(now() + seconds)),
        "utcnow": classmethod(lambda cls: cls.utcfromtimestamp(now() + seconds)),
    }
    # classes created here print without their module: these names keep their repr unchanged
    date = type("datetime.date", (datetime.date,), {"today": later["today"]})
    vars(datetime).update(date=date, datetime=type("datetime.datetime", (datetime.datetime,), later))
