"""Worked solutions in words, as programs, and both: which wins in which subdomain (MAmmoTH, arXiv:2309.05653)."""

from __future__ import annotations

from pathlib import Path

from tasks.proof.lab import Lab
from tasks.proof.rows import programs, words


def run(lab: Lab, models: dict[str, Path]) -> None:
    """Score CoT, PoT and the mixture, in words and by program, all trained for equally many steps. If a program of the mixture
    gives no answer, its answer in words counts."""
    problems = lab.draw("rows", lab.sizes.rows)
    half = len(problems) // 2
    models["SFT"] = lab.train("CoT", "formats", [lab.publish("rows", words(problems))])
    lab.score("CoT", models["SFT"])
    coder = lab.train("PoT", "formats", [lab.publish("programs", programs(problems))])
    lab.score("PoT", coder, program=True)
    mixture = lab.publish("mixture", [*words(problems[:half]), *programs(problems[half:])])
    mixed = lab.train("CoT+PoT", "formats", [mixture])
    in_words = lab.score("CoT+PoT, words", mixed).column("score").to_pylist()
    by_program = lab.score("CoT+PoT, program", mixed, program=True)
    ran = [answers[0] is not None for answers in by_program.column("answers").to_pylist()]
    lab.scores["CoT+PoT, program"] = [
        int(program if answered else word)
        for program, answered, word in zip(by_program.column("score").to_pylist(), ran, in_words, strict=True)
    ]
    lab.facts["programs that ran"] = sum(ran) / len(ran)
