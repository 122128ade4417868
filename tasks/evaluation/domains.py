"""Which kind of reasoning a benchmark asks for, told by its name: seven domains, and four capabilities above them."""

from __future__ import annotations

import re

from tasks.taxonomy import DOMAINS as TOPICS

# domain -> (capability, benchmarks by the beginning of their names, punctuation left out)
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
UNASSIGNED = "unassigned"  # neither the name nor the form of a benchmark tells; domain and capability
_BY_FORM = {"first_error": "error finding", "judgement": "error finding", "roles": "constraints"}


def domain_of(benchmark: str, form: str = "", own: object = None) -> str:
    """The domain of an item: the longest beginning that fits its benchmark's name decides ("mathqa" before "math"), then
    the domain that the item states of itself (`own`, as the project's seeds and probe problems do), then the form of the
    item; UNASSIGNED where none tells."""
    name = re.sub(r"[^a-z0-9]", "", benchmark.lower())
    fits = [(len(start), domain) for domain, (_, starts) in DOMAINS.items() for start in starts if name.startswith(start)]  # fmt: skip
    if fits:
        return max(fits)[1]
    stated = own.strip().lower() if isinstance(own, str) else ""
    return stated if stated in DOMAINS or stated in TOPICS else _BY_FORM.get(form, UNASSIGNED)


def capability_of(domain: str, form: str) -> str:
    """The capability behind a domain; writing a program is coding, whatever it computes."""
    if form == "program":
        return "coding"
    if domain in DOMAINS:
        return DOMAINS[domain][0]
    return "mathematics" if domain in TOPICS else UNASSIGNED
