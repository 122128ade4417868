"""RFT over SFT (Yuan et al. 2023, arXiv:2308.01825), then DPO and PPO from the RFT model, on the same samples.

The SFT model answers questions that have an answer and no solution, several times each. What is right and new becomes
the RFT set; a right and a wrong answer to one question are a pair for DPO; the same questions, judged by the verifier,
are PPO's.
"""

from __future__ import annotations

import copy
from typing import Any

from tasks.proof.lab import Lab, Lesson, prompt, words
from tasks.proof.preferences import ppo, prefer
from tasks.seeding import seed_of


def run(lab: Lab, models: dict[str, Any]) -> None:
    rows = lab.draw("rows", lab.sizes.rows)
    asked = lab.draw("answered", lab.sizes.answered)
    said = lab.say(models["SFT"], asked, samples=lab.sizes.samples, temperature=0.7)
    flat = [text for several in said for text in several]
    right = lab.right(flat, [problem for problem in asked for _ in range(lab.sizes.samples)])
    good: list[Lesson] = []
    pairs: list[tuple[str, str, str]] = []
    for i, (problem, several) in enumerate(zip(asked, said, strict=True)):
        marks = right[i * lab.sizes.samples : (i + 1) * lab.sizes.samples]
        fine = [text for text, mark in zip(several, marks, strict=True) if mark]
        bad = [text for text, mark in zip(several, marks, strict=True) if mark == 0]
        good += [Lesson(problem.question, text) for text in dict.fromkeys(fine)]
        if fine and bad:
            pairs.append((prompt(lab.tokenizer, problem.question), fine[0], bad[0]))
    lab.facts |= {
        "sampled right": right.count(1) / len(right),
        "RFT rows": len(good),
        "DPO pairs": len(pairs),
    }
    models["RFT"] = lab.train("formats", [*words(rows), *good])  # the seed of SFT: only the rows differ
    lab.score("RFT", models["RFT"])

    tuned = copy.deepcopy(models["RFT"])
    seed = seed_of("proof", lab.seed, "preferences")
    if pairs:
        prefer(tuned, lab.tokenizer, pairs, lab.sizes.preference, seed=seed)
    lab.score("RFT+DPO", tuned)

    tuned = copy.deepcopy(models["RFT"])
    rewards = ppo(
        tuned,
        lab.tokenizer,
        [prompt(lab.tokenizer, problem.question) for problem in asked],
        lambda texts, chosen: lab.right(texts, [asked[i] for i in chosen]),
        plan=lab.sizes.rewarded,
        seed=seed,
    )
    lab.facts["PPO reward, first round"], lab.facts["PPO reward, last round"] = rewards[0], rewards[-1]
    lab.score("RFT+PPO", tuned)
