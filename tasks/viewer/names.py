"""What the names that are stored with rows mean, for people: checks (`verdicts`), scores and methods. The stored names do not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """A name as people read it, and a sentence about what its value says."""

    label: str
    sentence: str


CHECKS: Final[dict[str, Meaning]] = {
    "programs": Meaning(
        "programs agree", "Other programs for the question that gave this answer, of those that gave one."
    ),
    "worked": Meaning(
        "worked solutions agree",
        "Other solutions in words that gave this answer, of those that gave one.",
    ),
    "rival": Meaning(
        "samples for another answer", "Samples of the question that share the most frequent other answer."
    ),
    "consistent": Meaning(
        "samples agree", "Samples of the question with this answer, of those that could be compared."
    ),
    "uncompared": Meaning(
        "samples not compared",
        "Samples whose answer is known neither to equal this one nor to differ from it.",
    ),
    "abstained": Meaning(
        "samples without an answer", "Samples of the question whose answer could not be read."
    ),
    "settled": Meaning(
        "votes are sure",
        "yes: the votes alone decide, so that the critic was not asked about the solution (it may have scored the question); "
        "no: the critic was to decide.",
    ),
    "executed": Meaning(
        "program ran", "How the program of the solution ended in the sandbox; ok: it gave an answer."
    ),
    "equivalent": Meaning(
        "against the trusted answer", "Whether the answer equals the trusted answer of the question."
    ),
    "semantic": Meaning(
        "paraphrase search", "apart: no other question was near it in meaning; else what it was near."
    ),
    "decontaminated": Meaning("benchmarks", "clean: the row holds no item of the registered benchmarks."),
    "wrong_step": Meaning("first wrong line", "The line of the solution that the critic calls wrong first."),
    "similarity": Meaning("similar questions", "novel: no earlier question is nearly the same text."),
    "dedup": Meaning("duplicates", "unique: no other solution of the question is nearly the same text."),
    "ingest": Meaning("read from", "The line of the file that the question was read from."),
    "derived_from": Meaning("made from", "The row of which it was made."),
    "solution_by": Meaning("solution by", "Who wrote the solution, where no model did."),
    "student": Meaning("the student's answer", "Whether the answer of the student equals the known one."),
    "stated_difficulty": Meaning("difficulty, by its writer", "From 1, routine, to 5, competition."),
    "pass_rate": Meaning("pass rate of the student", "The share of the student's samples that are right."),
}
SCORES: Final[dict[str, Meaning]] = {
    "heuristics": Meaning("form", "Form and length of the solution, by rules; 1 is best."),
    "clarity": Meaning("the critic, clear question", "How clear the critic finds the question; 1 is best."),
    "solvability": Meaning("the critic, solvable question", "How solvable the critic finds it; 1 is best."),
    "value": Meaning("the critic, useful question", "How useful the critic finds the question; 1 is best."),
    "instruction": Meaning(
        "the critic, question", "How clear and solvable the critic finds the question; 1 is best."
    ),
    "answer": Meaning("the critic, solution", "How right the critic finds the solution; 1 is best."),
    "trained_critic": Meaning(
        "the trained critic", "How likely the trained critic finds the solution to be right."
    ),
    "critic": Meaning(
        "the evaluated critic",
        "What the critic of the newest `./mathmill critic evaluate --version` says of the solution; 1 is right.",
    ),
}
NO_METHOD: Final = Meaning(
    "none: seed, known and probe questions",
    "No method wrote these questions: they come from seed files or families, for the calibration or for the probe.",
)


def of_check(name: str) -> Meaning:
    """Return what a verdict of a row means; its name in words where it is not known."""
    return CHECKS.get(name, Meaning(name.replace("_", " "), f"The check {name}."))


def of_score(name: str) -> Meaning:
    """Return what a score of a row means; its name in words where it is not known."""
    return SCORES.get(name, Meaning(name.replace("_", " "), f"The score {name}, from 0 to 1."))
