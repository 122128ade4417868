"""What happens in a forked child: a program is executed and its answer put into words.

Runs inside the isolation (see server.py), where nothing of the project can be imported. What is
said here is the program's word about itself: it shares the process, so it could say the same by
printing it. What matters is that no method of the program's own is called to say it.
"""

import builtins

# The functions below keep these builtins whatever a program does to the module `builtins`.
__builtins__ = dict(vars(builtins))

import ast
import datetime
import decimal
import fractions
import functools
import io
import resource
import site
import sys
import time
import types
from json.encoder import encode_basestring_ascii as quoted

NAMES = ("ans", "answer")


class TooLong(Exception):
    """An answer that is longer than an answer may be."""


def prepare(config):
    """Import and warm what programs use, and fix what would differ between two isolations;
    returns `run(text) -> report`."""
    import numpy
    import numpy.random  # numpy would import it at first use, in every child again
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
    return functools.partial(run, answers=Answers(config["answer_chars"]))


class Answers:
    """Values as text, by exact type: a program's own __str__, __repr__ or __reduce__ is never called."""

    def __init__(self, limit):
        import numpy
        import sympy

        self.limit = limit
        self.plain = {
            bool: bool.__repr__,
            float: float.__repr__,
            complex: complex.__repr__,
            fractions.Fraction: fractions.Fraction.__str__,
            decimal.Decimal: decimal.Decimal.__str__,
        }
        self.brackets = {list: "[]", tuple: "()", set: "{}", frozenset: "{}"}
        self.ndarray, self.to_list, self.item = numpy.ndarray, numpy.ndarray.tolist, numpy.generic.item
        self.scalars = set(subclasses(numpy.generic))
        self.basic = set(subclasses(sympy.Basic))
        self.matrices = set(subclasses(sympy.MatrixBase))
        self.sympy_text = sympy.sstr

    def text(self, value, depth=8):
        """The value as a string, or None for a type that is not known; TooLong past the limit."""
        kind = type(value)
        if kind is int:
            if value.bit_length() > 3.3 * self.limit:
                raise TooLong
            return int.__repr__(value)
        if kind is str:
            return self.checked(value)
        if kind in self.plain:
            return self.checked(self.plain[kind](value))
        if not depth:
            return None
        if kind in self.brackets or kind is dict:
            return self.many(value, kind, depth - 1)
        if kind in self.scalars:
            return self.text(self.item(value), depth - 1)
        if kind is self.ndarray:
            if value.size > self.limit:
                raise TooLong
            return self.text(self.to_list(value), depth - 1)
        if kind in self.matrices:
            return self.text(value.tolist(), depth - 1)
        if kind in self.basic and self.genuine(value):
            return self.checked(self.sympy_text(value))
        return None

    def many(self, value, kind, depth):
        if len(value) > self.limit:
            raise TooLong
        if kind is dict:
            pairs = [(self.text(k, depth), self.text(v, depth)) for k, v in value.items()]
            parts = [None if None in pair else ": ".join(pair) for pair in pairs]
        else:
            parts = [self.text(item, depth) for item in value]
        if None in parts:
            return None
        if kind in (set, frozenset):
            parts.sort()
        opening, closing = self.brackets.get(kind, "{}")
        comma = "," if kind is tuple and len(parts) == 1 else ""
        return self.checked(f"{opening}{', '.join(parts)}{comma}{closing}")

    def genuine(self, value):
        """Whether a sympy object is made of sympy's own classes throughout."""
        waiting, seen = [value], 0
        while waiting:
            item = waiting.pop()
            seen += 1
            if seen > self.limit:
                raise TooLong
            if type(item) not in self.basic:
                return False
            waiting.extend(item.args)
        return True

    def checked(self, text):
        if len(text) > self.limit:
            raise TooLong
        return text


def subclasses(kind):
    found = [kind]
    for other in type.__subclasses__(kind):
        found += subclasses(other)
    return found


class Output(io.FileIO):
    """Descriptor 1, counting what goes through it."""

    written = 0

    def write(self, data):
        count = super().write(data)
        self.written += count or 0
        return count


def run(text, answers):
    """Execute a program; its report as JSON bytes: {"value", "named_last"} or describe()'s."""
    raw = Output(1, "w", closefd=False)
    out = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="\n")
    error_stream = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace")
    sys.stdout = sys.__stdout__ = out
    sys.stderr = sys.__stderr__ = error_stream
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__builtins__ = builtins
    space, flush = main.__dict__, out.flush
    named_last = False
    try:
        try:
            try:
                tree = ast.parse(text, "<program>")
                code = compile(tree, "<program>", "exec", dont_inherit=True)
            except MemoryError:  # how CPython's parser says that its stack is full
                raise SyntaxError("too deeply nested") from None
            named_last = bool(tree.body) and assigns_answer(tree.body[-1])
            exec(code, space)
            exited = False
        except SystemExit as end:
            if type(end.code) not in (int, type(None)) or end.code:
                raise
            exited = True
        flush()
        value = next((space[name] for name in NAMES if space.get(name) is not None), None)
        call = space.get("solution")
        if value is None and not exited and not raw.written and type(call) is types.FunctionType:
            value = call()
            flush()
        words = answers.text(value)
        said = "null" if words is None else quoted(words)
        return f'{{"value": {said}, "named_last": {"true" if named_last else "false"}}}'.encode()
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        report = describe(error)
        try:
            flush()
        except (OSError, ValueError):
            return report  # the program closed its stdout; what went wrong before is what matters
        return report


def assigns_answer(statement):
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return any(type(target) is ast.Name and target.id in NAMES for target in targets)


name_of = type.__dict__["__name__"].__get__
lineage_of = type.__dict__["__mro__"].__get__
OS_ERRORS = set(subclasses(OSError))
BASES = {MemoryError, OSError, TooLong, Exception, BaseException}


def describe(error):
    """An exception as JSON bytes: type, first words, line, errno; none of its own methods is called."""
    kind = type(error)
    words = [item[:300] for item in BaseException.args.__get__(error)[:2] if type(item) is str]
    line = error.lineno if kind in (SyntaxError, IndentationError, TabError) else None
    trace = BaseException.__traceback__.__get__(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    number = error.errno if kind in OS_ERRORS else None
    base = next(name_of(base) for base in lineage_of(kind) if base in BASES)
    return (
        f'{{"error": {quoted(name_of(kind)[:100])}, "words": {quoted(words[0] if words else "")},'
        f' "line": {line if type(line) is int else "null"},'
        f' "errno": {number if type(number) is int else "null"}, "base": {quoted(base)}}}'
    ).encode()


def shift_clock(seconds):
    """Move the calendar as Python programs read it (time and datetime); the kernel's is not ours."""
    real = {name: getattr(time, name) for name in ("time", "time_ns", "localtime", "gmtime", "strftime")}
    time.time = lambda: real["time"]() + seconds
    time.time_ns = lambda: real["time_ns"]() + seconds * 10**9
    for name in ("localtime", "gmtime"):
        setattr(time, name, lambda at=None, name=name: real[name](time.time() if at is None else at))
    time.ctime = lambda at=None: time.asctime(time.localtime(at))
    time.strftime = lambda form, at=None: real["strftime"](form, at or time.localtime())
    day, moment = datetime.date, datetime.datetime
    later = {
        "now": classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz)),
        "today": classmethod(lambda cls: cls.fromtimestamp(time.time())),
        "utcnow": classmethod(lambda cls: cls.utcfromtimestamp(time.time())),
    }
    # classes made here print without their module: naming them so keeps their repr what it was
    datetime.date = type("datetime.date", (day,), {"today": later["today"]})
    datetime.datetime = type("datetime.datetime", (moment,), later)
