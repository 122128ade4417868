"""The order of training: two stages or one mixture, and the effect of a new set at weight 0.2 beside the validated one."""

from __future__ import annotations

from typing import Any

from tasks.proof.base import chat
from tasks.proof.experiments.curation import spoil
from tasks.proof.lab import Lab, words
from tasks.proof.problems import FAMILIES
from tasks.seeding import rng_of

NEW = 0.2
RARE = list(FAMILIES)[4:]


def run(lab: Lab, models: dict[str, Any]) -> None:
    order(lab)
    annealing(lab)


def order(lab: Lab) -> None:
    """Train on maths for three quarters of the steps and then on small talk, or on both mixed; score both."""
    rng = rng_of("proof", lab.seed, "chat")
    maths, talk = words(lab.draw("rows", lab.sizes.rows)), chat(rng, max(4, lab.sizes.rows // 3))
    talk_held_out = chat(rng_of("proof", "held out", "chat"), len(lab.held_out))
    two = lab.train("order", talk, start=lab.train("order", maths, share=0.75), share=0.25)
    one = lab.train("order", [*maths, *talk])
    for name, model in (("two stages", two), ("one mixture", one)):
        lab.score(name, model)
        replies = lab.complete(model, talk_held_out)
        lab.scores[f"{name}, small talk"] = [
            int(text == lesson.solution) for (text,), lesson in zip(replies, talk_held_out, strict=True)
        ]


def annealing(lab: Lab) -> None:
    """Train on the validated rows alone, and with a fifth of them replaced by a helpful, a useless and a harmful set."""
    validated = words(lab.draw("rows", lab.sizes.rows))
    count = round(NEW * len(validated))
    new = {
        "helpful": words(lab.draw("helpful", count, dict.fromkeys(RARE, 1.0))),
        "useless": chat(rng_of("proof", lab.seed, "useless"), count),
        "harmful": [spoil(row, lab, i) for i, row in enumerate(words(lab.draw("harmful", count)))],
    }
    lab.score("validated alone", lab.train("annealing", validated))
    for name, rows in new.items():
        lab.score(f"with {name}", lab.train("annealing", [*validated[count:], *rows]))
