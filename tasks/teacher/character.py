"""The characters of the embedded models: how often and in which subdomains they make errors.

Rates are per completion, or per item for written problems.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Probabilities from 0 to 1. `malformed` means no box, no code fence or broken JSON."""

    wrong_words: float = 0.08
    wrong_program: float = 0.06
    malformed: float = 0.03
    near_duplicate: float = 0.10
    repeat: float = 0.03
    flawed: float = 0.02  # written problems in which a number is missing
    misjudge: float = 0.06
    give_up: float = 0.4  # says that it does not know an unknown problem, instead of trying


PERFECT = Rates(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Character:
    """One model: its rates, and the subdomains in which its solutions are wrong at `weak_rate` instead."""

    name: str
    rates: Rates = field(default_factory=Rates)
    weak: frozenset[str] = frozenset()
    weak_rate: float = 0.8

    def wrong_rate(self, subdomain: str | None, *, program: bool) -> float:
        """Return the rate of wrong solutions in a subdomain, for programs or for solutions in words."""
        base = self.rates.wrong_program if program else self.rates.wrong_words
        return max(base, self.weak_rate) if subdomain in self.weak else base


STRONG = Character("embedded")

# the student: weak everywhere, and very weak in a few subdomains, so that the probe has weaknesses to find
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
