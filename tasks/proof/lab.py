"""One seed of the proof: its held-out items, its base checkpoint, and the operations that all experiments share."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.answers import Judge, extract
from tasks.proof.problems import FAMILIES, ProofProblem
from tasks.proof.sizes import Sizes
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of, seed_of
from tasks.training.completion import Completer
from tasks.training.small import TrainingExample, examples, fit

# shares of the subdomains in rows that no retrieval has chosen: four are common, four are rare
COMMON, RARE = 0.21, 0.04
_LONGEST = 56  # tokens of a solution

SKEWED = dict(zip(FAMILIES, [COMMON] * 4 + [RARE] * 4, strict=True))
EVEN = dict.fromkeys(FAMILIES, 1.0)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row to train on: question, solution and loss weight. `program` is true if the solution is a program."""

    question: str
    solution: str
    weight: float = 1.0
    program: bool = False


def words(problems: Sequence[ProofProblem]) -> list[Lesson]:
    return [Lesson(problem.question, problem.cot) for problem in problems]


def programs(problems: Sequence[ProofProblem]) -> list[Lesson]:
    return [Lesson(problem.question, problem.program, program=True) for problem in problems]


def prompt(tokenizer: Any, question: str, program: bool = False) -> str:
    """Return the text that the student continues. The system message requests a program."""
    messages = [{"role": "user", "content": question}]
    if program:
        messages.insert(0, {"role": "system", "content": "program"})
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def draw(
    rng: random.Random, count: int, shares: dict[str, float], *, without: set[str] | None = None
) -> list[ProofProblem]:
    """Draw `count` problems with different questions, none of them in `without`; `shares` are those of the subdomains.

    Raises ValueError if the families have too few questions.
    """
    problems: dict[str, ProofProblem] = {}
    names, weights = list(shares), list(shares.values())
    for _ in range(200 * count):
        if len(problems) == count:
            break
        problem = FAMILIES[rng.choices(names, weights)[0]](rng)
        if without is None or problem.question not in without:
            problems.setdefault(problem.question, problem)
    else:
        raise ValueError(f"only {len(problems)} of {count} different questions could be drawn; ask for fewer")
    return list(problems.values())


@dataclass
class Lab:
    """The state of one seed.

    `scores` maps the name of an arm to 1 (right) or 0 per held-out item, in order; an answer that could not be compared is 0.
    `facts` are counts for the page, among them `not comparable`, the number of judged answers that could not be compared.
    """

    sizes: Sizes
    seed: int
    base: Any
    tokenizer: Any
    judge: Judge
    sandbox: Sandbox
    held_out: list[ProofProblem]
    scores: dict[str, list[int]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    def draw(self, name: str, count: int, shares: dict[str, float] | None = None) -> list[ProofProblem]:
        """Draw problems of this seed under a name, none of them held out; by default with the shares of SKEWED."""
        held = {problem.question for problem in self.held_out}
        return draw(rng_of("proof", self.seed, name), count, shares or SKEWED, without=held)

    def examples(self, lessons: Sequence[Lesson]) -> list[TrainingExample]:
        pairs = [(prompt(self.tokenizer, one.question, one.program), one.solution) for one in lessons]
        return examples(self.tokenizer, pairs, [one.weight for one in lessons])

    def train(self, name: str, lessons: Sequence[Lesson], start: Any = None, share: float = 1.0) -> Any:
        """Return a copy of `start` (by default the base), trained on the lessons for `share` of the steps of an arm.

        Arms of one experiment have the same name, and so equal seeds, so that only the rows differ.
        """
        recipe = self.sizes.tuning
        recipe = replace(recipe, steps=max(1, round(share * recipe.steps)))
        model = copy.deepcopy(self.base if start is None else start)
        fit(model, self.examples(lessons), recipe, seed=seed_of("proof", self.seed, name))
        return model

    def complete(
        self,
        model: Any,
        questions: Sequence[ProofProblem] | Sequence[Lesson],
        *,
        program: bool = False,
        samples: int = 1,
        temperature: float = 0.0,
    ) -> list[list[str]]:
        """Return `samples` completions of the model per question."""
        completions = Completer(model, self.tokenizer).complete(
            [prompt(self.tokenizer, one.question, program) for one in questions],
            max_new_tokens=_LONGEST,
            temperature=temperature,
            samples=samples,
            seed=seed_of("proof", self.seed, "say"),
            batch=128,
        )
        return [[one.text for one in several] for several in completions]

    def right(
        self, texts: Sequence[str], problems: Sequence[ProofProblem], *, program: bool = False
    ) -> list[int | None]:
        """Judge the final answers of texts; the answer of a program is its output in the sandbox."""
        return self.equal(self.answers(texts, program=program), problems)

    def answers(self, texts: Sequence[str], *, program: bool = False) -> list[str | None]:
        """Return the final answer of each text, or None if there is none or the program failed."""
        if program:
            different = list(dict.fromkeys(texts))
            ran = dict(zip(different, self.sandbox.run(different), strict=True))
            return [ran[text].answer for text in texts]
        extracted = [extract(text, "en") for text in texts]
        return [one.answer if one else None for one in extracted]

    def equal(self, answers: Sequence[str | None], problems: Sequence[ProofProblem]) -> list[int | None]:
        """Return 1 per right answer, 0 per different or missing one, and None per answer that cannot be compared."""
        pairs = [(answer or "", problem.answer) for answer, problem in zip(answers, problems, strict=True)]
        results = [
            None if judgement == "unknown" and answer else int(judgement == "equal")
            for judgement, answer in zip(self.judge.equal(pairs), answers, strict=True)
        ]
        self.facts["not comparable"] = self.facts.get("not comparable", 0) + results.count(None)
        return results

    def score(self, name: str, model: Any) -> list[int]:
        """Score the model greedily in words on the held-out items, 1 if right and else 0; store the scores under the name."""
        texts = [text for (text,) in self.complete(model, self.held_out)]
        self.scores[name] = [result or 0 for result in self.right(texts, self.held_out)]
        return self.scores[name]
