"""Who the embedded models are: how often and where they err. Rates are per completion (per item, for written problems)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Probabilities, each 0..1. `malformed`: no box, no code fence, broken JSON."""

    wrong_words: float = 0.08
    wrong_program: float = 0.06
    malformed: float = 0.03
    near_duplicate: float = 0.10
    repeat: float = 0.03
    flawed: float = 0.02  # written problems that lack a datum
    misjudge: float = 0.06
    give_up: float = 0.4  # on a problem that it does not know, it says so instead of trying


PERFECT = Rates(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Character:
    """One model: its rates, and the subdomains in which it errs at `weak_rate` instead."""

    name: str
    rates: Rates = field(default_factory=Rates)
    weak: frozenset[str] = frozenset()
    weak_rate: float = 0.8

    def wrong_rate(self, subdomain: str | None, *, program: bool) -> float:
        base = self.rates.wrong_program if program else self.rates.wrong_words
        return max(base, self.weak_rate) if subdomain in self.weak else base


STRONG = Character("embedded")

# the student: poor everywhere, and a few subdomains that it has hardly learnt, so that weaknesses can be found
SMALL = Character(
    "embedded-small",
    Rates(
        wrong_words=0.3, wrong_program=0.35, malformed=0.06, misjudge=0.3, near_duplicate=0.25, repeat=0.08
    ),
    weak=frozenset(
        {
            "matrix operations",
            "modular arithmetic",
            "probability",
            "integrals",
            "exponents and logarithms",
            "trigonometry",
        }
    ),
)
