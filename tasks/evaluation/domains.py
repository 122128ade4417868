"""Seven domains of reasoning and four capabilities, and which benchmark belongs to which.

The benchmarks are the modules of tasks.evaluation.benchmarks. A benchmark that none of them names is UNASSIGNED, unless its items
state a domain themselves or their form tells it.
"""

from __future__ import annotations

import functools
import re
from types import ModuleType

from tasks.plugins import module, names
from tasks.taxonomy import DOMAINS as TOPICS

DOMAINS = ("problem solving", "other mathematics", "logic", "STEM", "commonsense", "symbolic", "agent")
CAPABILITIES = ("knowledge", "reasoning", "mathematics", "coding")
UNASSIGNED = "unassigned"  # domain and capability, if neither the name nor the form decides
PACKAGE = "tasks.evaluation.benchmarks"
# finding the wrong step of a solution and the roles in a puzzle are logic, whatever the file is called
_BY_FORM = {"first_error": "logic", "judgement": "logic", "roles": "logic", "grid": "logic"}
_CAPABILITY_OF = {
    "problem solving": "mathematics",
    "other mathematics": "mathematics",
    "logic": "reasoning",
    "STEM": "knowledge",
    "commonsense": "reasoning",
    "symbolic": "reasoning",
    "agent": "reasoning",
}
_WORD = re.compile(r"[a-z]+|\d+|[^\W\d_]+")
# what may follow the name of a benchmark that has no subsets: the part of the data, its size, the number of examples
_PARTS = frozenset(
    [
        "a",
        "b",
        "test",
        "train",
        "dev",
        "val",
        "valid",
        "validation",
        "main",
        "full",
        "mini",
        "small",
        "tiny",
        "sample",
        "subset",
        "en",
        "zh",
        "oe",
        "cot",
        "zeroshot",
        "fewshot",
        "shot",
        "llama",
    ]
)


def benchmark_named(benchmark: str) -> ModuleType | None:
    """Return the module of the benchmark that a name stands for, None if there is none.

    The longest name that the beginning of `benchmark` spells decides, at the border of a word: "MMLU-Pro_test" is MMLU-Pro,
    and "mathvista" is not MATH. A module without `subsets` allows nothing after its name but the part of the data.
    """
    words = _WORD.findall(benchmark.lower().replace(":", " "))
    best: tuple[int, ModuleType] | None = None
    spelled = ""
    registered = _registered()
    for count, word in enumerate(words, 1):
        spelled += word
        registration = registered.get(spelled)
        if registration is None:
            continue
        rest = words[count:]
        if getattr(registration, "subsets", True) or all(one in _PARTS or one.isdigit() for one in rest):
            best = (count, registration)
    return best[1] if best else None


@functools.cache
def _registered() -> dict[str, ModuleType]:
    """Return the modules by the names of their benchmarks, without punctuation. Raises ValueError if two share a name."""
    registered: dict[str, ModuleType] = {}
    for name in names(PACKAGE):
        registration = module(PACKAGE, name)
        for own in registration.names:
            if registered.setdefault(own, registration) is not registration:
                raise ValueError(f"two modules of tasks/evaluation/benchmarks name {own!r}")
    return registered


def domain_of(benchmark: str, form: str = "", own: object = None) -> str:
    """Return the domain of an item, or UNASSIGNED.

    The module of the benchmark decides, then the domain that the item itself states (`own`, as in the project's seeds and probe
    problems), then the form of the item.
    """
    registration = benchmark_named(benchmark)
    if registration is not None:
        return str(registration.domain)
    stated = own.strip() if isinstance(own, str) else ""
    known = {domain.lower(): domain for domain in (*DOMAINS, *TOPICS)}
    return known.get(stated.lower()) or _BY_FORM.get(form, UNASSIGNED)


def capability_of(domain: str, form: str, benchmark: str = "") -> str:
    """Return the capability of an item. Writing a program is coding, whatever it computes."""
    if form in ("program", "unit_tests"):
        return "coding"
    registration = benchmark_named(benchmark) if benchmark else None
    if registration is not None:
        return str(registration.capability)
    if domain in _CAPABILITY_OF:
        return _CAPABILITY_OF[domain]
    return "mathematics" if domain in TOPICS else UNASSIGNED
