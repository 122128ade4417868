"""One seed of the proof: its held-out items, its base checkpoint, and what is done with them again and again."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.answers import Judge, extract
from tasks.proof.problems import FAMILIES, Problem
from tasks.proof.sizes import Sizes
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of, seed_of
from tasks.training.completion import Completer
from tasks.training.small import Example, examples, fit

# the shares of the subdomains in what is written without looking: four are common, four are rare
COMMON, RARE = 0.21, 0.04
_LONGEST = 56  # tokens of a solution

SKEWED = dict(zip(FAMILIES, [COMMON] * 4 + [RARE] * 4, strict=True))
EVEN = dict.fromkeys(FAMILIES, 1.0)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row to train on: what is asked, what is to be said, and how much it counts. `program`: asked for as code."""

    question: str
    solution: str
    weight: float = 1.0
    program: bool = False


def words(problems: Sequence[Problem]) -> list[Lesson]:
    return [Lesson(problem.question, problem.cot) for problem in problems]


def programs(problems: Sequence[Problem]) -> list[Lesson]:
    return [Lesson(problem.question, problem.program, program=True) for problem in problems]


def prompt(tokenizer: Any, question: str, program: bool = False) -> str:
    """The text that the student continues; programs are asked for by the system message."""
    asked = [{"role": "user", "content": question}]
    if program:
        asked.insert(0, {"role": "system", "content": "program"})
    return str(tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))


def draw(
    rng: random.Random, count: int, shares: dict[str, float], *, without: set[str] | None = None
) -> list[Problem]:
    """`count` problems of different questions, none of them in `without`; subdomains by their shares."""
    found: dict[str, Problem] = {}
    names, weights = list(shares), list(shares.values())
    for _ in range(200 * count):
        if len(found) == count:
            break
        problem = FAMILIES[rng.choices(names, weights)[0]](rng)
        if without is None or problem.question not in without:
            found.setdefault(problem.question, problem)
    else:
        raise ValueError(f"only {len(found)} of {count} different questions could be drawn; ask for fewer")
    return list(found.values())


@dataclass
class Lab:
    """The workplace of one seed. `scores`: what was scored -> right or not (1, 0) of each held-out item, in order; an
    answer that could not be compared is not right there. `facts`: counts worth telling, `not comparable` among them:
    how many answers that was of all that were judged."""

    sizes: Sizes
    seed: int
    base: Any
    tokenizer: Any
    judge: Judge
    box: Sandbox
    held_out: list[Problem]
    scores: dict[str, list[int]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    def draw(self, name: str, count: int, shares: dict[str, float] | None = None) -> list[Problem]:
        """Problems of this seed by name, none of them held out; skewed as what is written without looking."""
        held = {problem.question for problem in self.held_out}
        return draw(rng_of("proof", self.seed, name), count, shares or SKEWED, without=held)

    def examples(self, lessons: Sequence[Lesson]) -> list[Example]:
        pairs = [(prompt(self.tokenizer, one.question, one.program), one.solution) for one in lessons]
        return examples(self.tokenizer, pairs, [one.weight for one in lessons])

    def train(self, name: str, lessons: Sequence[Lesson], start: Any = None, share: float = 1.0) -> Any:
        """A copy of `start` (the base where none is given) tuned on the lessons; `share` of the steps of an arm.

        Arms of one experiment are given one name: equal seeds, so that nothing but the rows differs.
        """
        recipe = self.sizes.tuning
        recipe = replace(recipe, steps=max(1, round(share * recipe.steps)))
        model = copy.deepcopy(self.base if start is None else start)
        fit(model, self.examples(lessons), recipe, seed=seed_of("proof", self.seed, name))
        return model

    def say(
        self,
        model: Any,
        asked: Sequence[Problem] | Sequence[Lesson],
        *,
        program: bool = False,
        samples: int = 1,
        temperature: float = 0.0,
    ) -> list[list[str]]:
        """What the model says to each question, `samples` times."""
        drawn = Completer(model, self.tokenizer).complete(
            [prompt(self.tokenizer, one.question, program) for one in asked],
            max_new_tokens=_LONGEST,
            temperature=temperature,
            samples=samples,
            seed=seed_of("proof", self.seed, "say"),
            batch=128,
        )
        return [[one.text for one in several] for several in drawn]

    def right(
        self, said: Sequence[str], problems: Sequence[Problem], *, program: bool = False
    ) -> list[int | None]:
        """`equal` of the final answers; of programs, of what they print in the sandbox."""
        return self.equal(self.answers(said, program=program), problems)

    def answers(self, said: Sequence[str], *, program: bool = False) -> list[str | None]:
        """The final answer of each text; None where there is none, or the program failed."""
        if program:
            different = list(dict.fromkeys(said))
            ran = dict(zip(different, self.box.run(different), strict=True))
            return [ran[text].answer for text in said]
        found = [extract(text, "en") for text in said]
        return [one.answer if one else None for one in found]

    def equal(self, answers: Sequence[str | None], problems: Sequence[Problem]) -> list[int | None]:
        """1 where the answer is the exact one, 0 where it is another one or there is none, None where the two cannot be
        compared."""
        pairs = [(answer or "", problem.answer) for answer, problem in zip(answers, problems, strict=True)]
        marks = [
            None if verdict == "unknown" and answer else int(verdict == "equal")
            for verdict, answer in zip(self.judge.equal(pairs), answers, strict=True)
        ]
        self.facts["not comparable"] = self.facts.get("not comparable", 0) + marks.count(None)
        return marks

    def score(self, name: str, model: Any) -> list[int]:
        """1 of each held-out item that is right, else 0, in words, greedily; kept under the name."""
        said = [text for (text,) in self.say(model, self.held_out)]
        self.scores[name] = [mark or 0 for mark in self.right(said, self.held_out)]
        return self.scores[name]
