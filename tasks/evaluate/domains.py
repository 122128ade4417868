"""Which kind of reasoning a benchmark asks for, told by its name: seven domains, and four capabilities above them."""

from __future__ import annotations

import re

# domain -> (capability, benchmarks by the beginning of their names, punctuation left out)
DOMAINS: dict[str, tuple[str, tuple[str, ...]]] = {
    "arithmetic": ("mathematics", ("gsm", "mgsm", "svamp", "asdiv", "mawps", "cmath", "multiarith", "probe")),
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


def domain_of(benchmark: str, form: str = "") -> str:
    """The domain of a benchmark: the longest beginning that fits its name decides ("mathqa" before "math"), then the
    form of its items; UNASSIGNED where neither tells."""
    name = re.sub(r"[^a-z0-9]", "", benchmark.lower())
    fits = [(len(start), domain) for domain, (_, starts) in DOMAINS.items() for start in starts if name.startswith(start)]  # fmt: skip
    return max(fits)[1] if fits else _BY_FORM.get(form, UNASSIGNED)


def capability_of(domain: str, form: str) -> str:
    """The capability behind a domain; writing a program is coding, whatever it computes."""
    if form == "program":
        return "coding"
    return DOMAINS[domain][0] if domain in DOMAINS else UNASSIGNED
