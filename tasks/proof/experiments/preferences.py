"""RFT over SFT (Yuan et al. 2023, arXiv:2308.01825), then DPO and PPO from the RFT model, on the same samples.

The SFT model answers questions that have an answer but no solution, several times each. Its distinct right solutions become
the RFT set; a right and a wrong solution to one question form a pair for DPO; PPO uses the same questions with the verifier.
"""

from __future__ import annotations

import copy
from typing import Any

from tasks.proof.lab import Lab, Lesson, prompt, words
from tasks.proof.preferences import ppo, prefer
from tasks.seeding import seed_of


def run(lab: Lab, models: dict[str, Any]) -> None:
    rows = lab.draw("rows", lab.sizes.rows)
    problems = lab.draw("answered", lab.sizes.answered)
    sampled = lab.complete(models["SFT"], problems, samples=lab.sizes.samples, temperature=0.7)
    flat = [text for several in sampled for text in several]
    right = lab.right(flat, [problem for problem in problems for _ in range(lab.sizes.samples)])
    good: list[Lesson] = []
    pairs: list[tuple[str, str, str]] = []
    for i, (problem, several) in enumerate(zip(problems, sampled, strict=True)):
        results = right[i * lab.sizes.samples : (i + 1) * lab.sizes.samples]
        fine = [text for text, result in zip(several, results, strict=True) if result]
        bad = [text for text, result in zip(several, results, strict=True) if result == 0]
        good += [Lesson(problem.question, text) for text in dict.fromkeys(fine)]
        if fine and bad:
            pairs.append((prompt(lab.tokenizer, problem.question), fine[0], bad[0]))
    lab.facts |= {
        "sampled right": right.count(1) / len(right),
        "RFT rows": len(good),
        "DPO pairs": len(pairs),
    }
    # "formats" gives the seed of SFT, so that only the rows differ
    models["RFT"] = lab.train("formats", [*words(rows), *good])
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
        [prompt(lab.tokenizer, problem.question) for problem in problems],
        lambda texts, chosen: lab.right(texts, [problems[i] for i in chosen]),
        plan=lab.sizes.rewarded,
        seed=seed,
    )
    lab.facts["PPO reward, first round"], lab.facts["PPO reward, last round"] = rewards[0], rewards[-1]
    lab.score("RFT+PPO", tuned)
