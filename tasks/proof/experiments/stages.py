"""The order of training: two stages or one mixture, and the effect of a new set at weight 0.2 beside the validated one."""

from __future__ import annotations

from pathlib import Path

from tasks.proof.lab import Lab
from tasks.proof.rows import FAMILIES, chat, spoiled, words
from tasks.seeding import rng_of

NEW = 0.2
RARE = list(FAMILIES)[4:]


def run(lab: Lab, models: dict[str, Path]) -> None:
    order(lab)
    annealing(lab)


def order(lab: Lab) -> None:
    """Train on maths for three quarters of the steps and then on small talk, or on both mixed; score both."""
    maths = lab.publish("rows", words(lab.draw("rows", lab.sizes.rows)))
    talk_held_out = chat(rng_of("proof", "held out", "chat"), len(lab.held_out))
    rng, asked = rng_of("proof", lab.seed, "chat"), {row.question for row in talk_held_out}
    talk = lab.publish("small talk", chat(rng, max(4, lab.sizes.rows // 3), without=asked))
    steps = int(lab.sizes.tuning["steps"])
    last = max(1, round(0.25 * steps))
    second = {"steps": max(1, steps - last), "then": [{"data": [{"dataset": talk}], "steps": last}]}
    two = lab.train("two stages", "order", [maths], settings=second)
    one = lab.train("one mixture", "order", [maths, talk])
    for name, model in (("two stages", two), ("one mixture", one)):
        lab.score(name, model)
        replies = lab.answer(model, talk_held_out).column("score").to_pylist()
        lab.scores[f"{name}, small talk"] = [int(reply) for reply in replies]


def annealing(lab: Lab) -> None:
    """Train on the validated rows alone, and with a helpful, a useless and a harmful set at a fifth of the tokens, blended as
    in the flow `verdict`."""
    problems = lab.draw("rows", lab.sizes.rows)
    validated = lab.publish("rows", words(problems))
    count = round(NEW * len(problems))
    new = {
        "helpful": words(lab.draw("helpful", count, dict.fromkeys(RARE, 1.0))),
        "useless": chat(rng_of("proof", lab.seed, "useless"), count),
        "harmful": [spoiled(problem, lab.seed) for problem in lab.draw("harmful", count)],
    }
    lab.score("validated alone", lab.train("validated alone", "annealing", [validated]))
    for name, rows in new.items():
        data = [
            {"dataset": lab.publish(name, rows), "weight": NEW},
            {"dataset": validated, "weight": 1 - NEW},
        ]
        lab.score(f"with {name}", lab.train(f"with {name}", "annealing", data))
