"""The kind of reasoning that a benchmark tests, inferred from its name: seven domains, grouped under four capabilities."""

from __future__ import annotations

import re

from tasks.taxonomy import DOMAINS as TOPICS

# domain -> (capability, prefixes of the benchmarks' names, without punctuation)
DOMAINS: dict[str, tuple[str, tuple[str, ...]]] = {
    "arithmetic": ("mathematics", ("gsm", "mgsm", "svamp", "asdiv", "mawps", "cmath", "multiarith")),
    "competition": (
        "mathematics",
        ("math500", "mathtest", "mathtrain", "hendrycksmath", "minervamath", "math", "olymp", "olymmath", "imo", "aime", "amc", "gaokaomathcloze"),
    ),
    "quantitative": ("mathematics", ("aqua", "mathqa", "sat", "gaokao")),
    "science": ("knowledge", ("mmlu", "gpqa", "arc", "sciq", "cmmlu", "ceval")),
    "deduction": ("reasoning", ("folio", "proofwriter", "prontoqa", "logiqa")),
    "constraints": ("reasoning", ("knights", "kk", "zebra", "arlsat")),
    "error finding": ("reasoning", ("mrben", "mrgsm8k", "prmbench", "bigbenchmistake", "processbench", "verifycot")),
}  # fmt: skip
CAPABILITIES = ("knowledge", "reasoning", "mathematics", "coding")
UNASSIGNED = "unassigned"  # domain and capability, if neither the name nor the form decides
_BY_FORM = {"first_error": "error finding", "judgement": "error finding", "roles": "constraints"}


def domain_of(benchmark: str, form: str = "", own: object = None) -> str:
    """Return the domain of an item, or UNASSIGNED.

    The longest prefix that fits the benchmark's name decides ("mathqa" before "math"), then the domain that the item itself
    states (`own`, as in the project's seeds and probe problems), then the form of the item.
    """
    name = re.sub(r"[^a-z0-9]", "", benchmark.lower())
    fits = [(len(start), domain) for domain, (_, starts) in DOMAINS.items() for start in starts if name.startswith(start)]  # fmt: skip
    if fits:
        return max(fits)[1]
    stated = own.strip().lower() if isinstance(own, str) else ""
    return stated if stated in DOMAINS or stated in TOPICS else _BY_FORM.get(form, UNASSIGNED)


def capability_of(domain: str, form: str) -> str:
    """Return the capability that a domain belongs to. Writing a program is coding, whatever it computes."""
    if form == "program":
        return "coding"
    if domain in DOMAINS:
        return DOMAINS[domain][0]
    return "mathematics" if domain in TOPICS else UNASSIGNED
