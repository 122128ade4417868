"""An open question with four options: its answer, and three wrong ones that are plausible.

The wrong options are real mistakes first: the answers of solutions of the same question that were rejected. The model is asked for the rest,
each with the mistake that leads to it. All are compared by the judge: none may equal the right answer or another option, or be
incomparable with one. The place of the right option follows from a hash of the question, so that no letter is right more often than others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

import prompts
from prompts.schemas.wrong_options import LONGEST_OPTION, WrongOption
from storage.reasons import Code
from tasks.answers.numerals import read
from tasks.answers.spelling import canonical
from tasks.conversations import WRITER, Conversation, comparisons, completions, request_of_prompt
from tasks.ingestion.options import Options
from tasks.llm.endpoint import Endpoint
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.replies.items import listed
from tasks.rewriting.numbers import stated
from tasks.rewriting.parents import Parent, answer_of, inherited, is_open, parents
from tasks.seeding import seed_of

prompt = "multiple_choice"
makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ("answer",)
wrong_answers = True
needs: tuple[str, ...] = ("judge",)

WRONG: Final = 3  # wrong options of a question
SPARE: Final = 2  # wrong options that are requested in addition, for those that turn out to be equal
LETTERS: Final = "ABCD"


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one ask per question with a known answer, until the quota is met."""
    return [
        Ask(
            prompt,
            prompt,
            language=row["language"],
            subdomain=row["subdomain"],
            count=1,
            variables={
                "question": row["question"],
                "answer": (answer_of(row) or "").strip(),
                "rejected": [
                    text for text in row["wrong_answers"] or () if plausible(text, answer_of(row) or "")
                ],
                "place": seed_of(prompt, row["problem_id"]) % len(LETTERS),
                "parent": row["problem_id"],
            },
            parent_ids=[row["id"]],
            seed=seed_of(seed, prompt, row["id"], "asked"),
            inherited=inherited(row),
        )
        for row in parents(pool, quota, seed, prompt, usable=_usable)
    ]


def _usable(row: Parent) -> bool:
    """Return whether a row is an open question with an answer that fits into an option."""
    answer = answer_of(row)
    return (
        answer is not None
        and 0 < len(answer.strip()) <= LONGEST_OPTION
        and "\n" not in answer.strip()
        and is_open(row)
    )


def plausible(text: str, right: str) -> bool:
    """Return whether a wrong answer can stand beside the right one: it is short, and a number where that is one."""
    return len(text) <= LONGEST_OPTION and (read(canonical(text)) is None) == (read(canonical(right)) is None)


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the question with its options, or the reason that it has too few."""
    right: str = ask.variables["answer"]
    wrong = yield from distinct(right, [], ask.variables["rejected"])
    sampled = len(wrong)
    if sampled < WRONG:
        more = yield from _from_the_model(ask, wrong, endpoints[WRITER])
        wrong += yield from distinct(right, wrong, more)
    if len(wrong) < WRONG:
        return [Item(code=Code.TOO_FEW_OPTIONS, values={"same": str(len(wrong)), "most": str(WRONG)})]
    options = wrong[:WRONG]
    place = ask.variables["place"]
    options.insert(place, right)
    lines = Options(tuple(stated(one) for one in options), tuple(LETTERS)).lines()
    return [
        Item(
            "\n".join([ask.variables["question"].rstrip(), "", *lines]),
            reference_answer=LETTERS[place],
            derived_from=(ask.variables["parent"],),
            params={"options_of_samples": min(sampled, WRONG)},
        )
    ]


def _from_the_model(ask: Ask, taken: Sequence[str], endpoint: Endpoint) -> Conversation[list[str]]:
    """Return wrong options that the model gives beside those that are taken, as many as are missing and SPARE more."""
    template = prompts.load(prompt, ask.language, endpoint.prompts)
    variables = {
        "question": ask.variables["question"],
        "answer": ask.variables["answer"],
        "taken": list(taken),
        "count": WRONG - len(taken) + SPARE,
    }
    request = request_of_prompt(template, variables, model=endpoint.model, seed=ask.seed, tag=prompt)
    (completion,) = yield from completions([request])
    return options_in(completion.text or "")


def options_in(text: str) -> list[str]:
    """Return the usable wrong options of a completion."""
    replies = listed(text, "wrong_options", WrongOption, firsts=("mistake", "option"))
    return [one.option for one in replies if isinstance(one, WrongOption)]


def distinct(right: str, taken: Sequence[str], candidates: Sequence[str]) -> Conversation[list[str]]:
    """Return those of the candidates that the judge finds different from the right answer, from the taken options, and from each other;
    of equal ones the first. A candidate that cannot be compared is left out."""
    texts = list(dict.fromkeys(text.strip() for text in candidates))
    fixed = [right, *taken]
    pairs = [(text, other) for place, text in enumerate(texts) for other in (*fixed, *texts[:place])]
    judgements = dict(zip(pairs, (yield from comparisons(pairs)), strict=True))
    chosen: list[str] = []
    for text in texts:
        if (
            text
            and "\n" not in text
            and all(judgements[text, other] == "different" for other in (*fixed, *chosen))
        ):
            chosen.append(text)
    return chosen
