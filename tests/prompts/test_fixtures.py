"""Realistic completions of each prompt, by models of different kinds, and what is read from them.

`<prompt>/<language>.yaml` is a list: `family` says what kind of model writes so, `finish` why the completion ended (`stop` if
left out), `completion` is its text, and `parsed` what the reader of that prompt must return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

import prompts
from prompts.asking_again import ReplyFault
from prompts.schemas.critique import Assessment, Critique
from storage.datasets.steps import FLAW
from tasks.answers import Judge, extract
from tasks.concepts.extraction import extracted
from tasks.conversations import WRITER
from tasks.decontamination.judge import verdict
from tasks.documents import transcripts
from tasks.evaluation import tails
from tasks.evaluation.forms import browser, choice, grid, roles
from tasks.interleaving import turn_of
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion, Usage
from tasks.methods import Ask, Item, asks_model, converses, multiple_choice, refine, textbook_qa
from tasks.methods.compose import read as read_composed
from tasks.methods.nearly_right import read as read_flawed
from tasks.methods.tree_search import continuation
from tasks.posing.replies import posed
from tasks.replies.items import critique, problems
from tasks.replies.programs import program
from tasks.replies.solutions import read
from tasks.selection.subjects import class_in
from tasks.splitting import by_model
from tasks.stages.diagnose import skills_in

HERE = Path(__file__).parent
LEAST = 5  # fixtures of each prompt file
OPTIONS = ["32", "42", "52", "62"]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(workers=1) as one:
        yield one


def of_problems(text: str, language: str, cut: bool, judge: Judge) -> Any:
    return [
        {
            key: value
            for key, value in (
                ("question", item.question),
                ("difficulty", item.difficulty),
                ("reason", item.fault and item.fault.words),
            )
            if value is not None
        }
        for item in problems(text)
    ]


def of_critique(text: str, language: str, cut: bool, judge: Judge) -> Any:
    reply = critique(text)
    if isinstance(reply, ReplyFault):
        return {"reason": reply.words}
    fields = ["critique", "first_wrong_step", "answer_score", "instruction_score"]
    assert isinstance(reply, (Critique, Assessment))
    if isinstance(reply, Assessment):
        fields += ["clarity", "solvability", "value"]
    return {field: getattr(reply, field) for field in fields}


def of_words(text: str, language: str, cut: bool, judge: Judge) -> Any:
    reply = read(text)
    extraction = extract(reply.solution, language, cut=cut)
    return {"answer": extraction.answer if extraction else None, "thinking": reply.thinking is not None}


def of_program(text: str, language: str, cut: bool, judge: Judge) -> Any:
    code = program(text, cut=cut)
    if code is None:
        return {"program": None}
    lines = [line for line in code.splitlines() if line.strip()]
    return {"ends": lines[-1], "lines": len(lines)}


def of_turn(text: str, language: str, cut: bool, judge: Judge) -> Any:
    usage = Usage(0, 0)
    completion = Completion("key", text, "length" if cut else "stop", usage)
    thinking, parts, lack = turn_of(completion)
    words = next((part.text for part in parts if part.kind == "words"), None)
    code = next((part.text for part in parts if part.kind == "program"), None)
    return {
        "begins": words.splitlines()[0] if words else None,
        "program": code.splitlines()[-1] if code else None,
        "lack": lack and str(lack),
        "thinking": thinking is not None,
    }


def of_concepts(text: str, language: str, cut: bool, judge: Judge) -> Any:
    read = extracted(text, language)
    return (
        read.words
        if isinstance(read, ReplyFault)
        else {"field": read.subdomain, "concepts": list(read.concepts)}
    )


def of_composed(text: str, language: str, cut: bool, judge: Judge) -> Any:
    item = read_composed(text)
    return [{"code": str(item.code), **item.values} if item.code else {"question": item.question}]


BEGINNING = {
    "en": "Tom has 12 pencils. He gives 5 away. How many",
    "zh": "小明有12支铅笔，送出5支。",
}


def of_continuation(text: str, language: str, cut: bool, judge: Judge) -> Any:
    return {"continuation": tails.continuation(text, BEGINNING[language])}


def of_actions(text: str, language: str, cut: bool, judge: Judge) -> Any:
    (answer,) = browser.answers([{}], [text], cut=[cut], judge=judge, sandbox=None)
    return {"answer": answer}


SPLIT = {
    "en": "Ann is twice as old as Bo. Bo is 7 years old. What is 17 * 24 + 5?",
    "zh": "小明的年龄是小红的 2 倍。求 17 × 24 + 5 的值。",
}


def of_split(text: str, language: str, cut: bool, judge: Judge) -> Any:
    marks = by_model(text, SPLIT[language])
    return (
        marks.words
        if isinstance(marks, ReplyFault)
        else [[mark.start, mark.end, mark.kind] for mark in marks]
    )


def of_subject(text: str, language: str, cut: bool, judge: Judge) -> Any:
    named = class_in(text)
    return {"reason": named.words} if isinstance(named, ReplyFault) else named


def of_skills(text: str, language: str, cut: bool, judge: Judge) -> Any:
    skills = skills_in(text)
    return {"reason": skills.words} if isinstance(skills, ReplyFault) else {"skills": skills}


def of_flaw(name: str) -> Callable[[str, str, bool, Judge], Any]:
    def read_flaw(text: str, language: str, cut: bool, judge: Judge) -> Any:
        lines = ["There are 10.", "Half of 10 is 4.", "\\boxed{4}"]
        wrong = {"wrong": "4"} if name == "nearly_right" else {}
        variables = {"question": "Half of 10?", "lines": lines, "reference": "5", **wrong}
        inherited = {"question": "Half of 10?"}
        ask = Ask("nearly_right", name, language, None, 1, variables, ["p"], 1, inherited=inherited)
        item = read_flawed(text, ask)
        if item.code is not None:
            return item.values["why"]
        flaw = item.params[FLAW]
        return {
            "line": flaw["line"],
            "kind": flaw["kind"],
            "answer": item.answer,
            "right": (item.solution or "").splitlines(),
            "wrong": flaw["answer"],
        }

    return read_flaw


def of_steps(text: str, language: str, cut: bool, judge: Judge) -> Any:
    completion = Completion("key", text, "length" if cut else "stop", Usage(0, 0))
    one = continuation(completion, (), language)
    return (
        None if one is None else {"steps": list(one.steps), "checks": dict(one.checks), "answer": one.answer}
    )


def of_choice(text: str, language: str, cut: bool, judge: Judge) -> Any:
    item = {"question": "What is 17 + 25?", "language": language, "options": OPTIONS, "reference": "B"}
    return {"answer": choice.answers([item], [text], cut=[cut], judge=judge, sandbox=None)[0]}


def of_roles(text: str, language: str, cut: bool, judge: Judge) -> Any:
    item = {"language": language, "reference": "Ada is a knight, Bo is a knave"}
    return {"answer": roles.answers([item], [text], cut=[cut], judge=judge, sandbox=None)[0]}


def of_grid(text: str, language: str, cut: bool, judge: Judge) -> Any:
    item = {
        "language": language,
        "options": ["House", "Name", "Drink"],
        "reference": '[["1", "Ada", "tea"], ["2", "Bo", "milk"]]',
    }
    return {"answer": grid.answers([item], [text], cut=[cut], judge=judge, sandbox=None)[0]}


def of_function(text: str, language: str, cut: bool, judge: Judge) -> Any:
    """Read the program that would run; the tests of the form run it."""
    code = program(text, cut=cut)
    return {"program": None if code is None else code.splitlines()[-1]}


def of_pairs(text: str, language: str, cut: bool, judge: Judge) -> Any:
    return [
        {"code": str(item.code), **item.values}
        if item.code
        else {"question": item.question, "quote": item.params["quote"], "answer": item.answer}
        | ({"ends": item.solution.splitlines()[-1]} if item.solution else {})
        for item in textbook_qa.read(text, cut=cut)
    ]


def of_article(text: str, language: str, cut: bool, judge: Judge) -> Any:
    return [
        {"code": str(item.code)} if item.code else {"text": item.question}
        for item in refine.read(text, cut=cut)
    ]


def of_question(text: str, language: str, cut: bool, judge: Judge, method: str = "") -> Any:
    (item,) = asks_model(method).read(text, cut=cut)
    if item.code:
        return [{"code": str(item.code), **item.values}]
    return [{"question": item.question} | ({"difficulty": item.difficulty} if item.difficulty else {})]


def of_posed(text: str, language: str, cut: bool, judge: Judge) -> Any:
    item = posed(text, cut=cut)
    if item.code:
        return {"code": str(item.code), **item.values}
    assert item.solution is not None
    return {"question": item.question, "ends": item.solution.splitlines()[-1]}


def of_page(text: str, language: str, cut: bool, judge: Judge) -> Any:
    page = transcripts.read(text, cut=cut)
    return {"fault": page.fault} if page.fault else {"text": page.text}


def of_wrong_options(text: str, language: str, cut: bool, judge: Judge) -> Any:
    return multiple_choice.options_in(text)


def sample(method: str, text: str, language: str, cut: bool) -> Item:
    """The item that a method of samples makes of a completion."""
    ask = Ask(method, method, language, None, 1, {"question": "q", "required": True, "first": 0}, [], 1)
    conversation = converses(method).converse(ask, {WRITER: Endpoint(role="reasoner", model="embedded")})  # type: ignore[union-attr]
    next(conversation)
    completion = Completion("k", text, "length" if cut else "stop", Usage(0, 0))
    with pytest.raises(StopIteration) as stop:
        conversation.send([completion])
    (item,) = stop.value.value
    return cast(Item, item)


def of_sample(text: str, language: str, cut: bool, judge: Judge, method: str = "") -> Any:
    item = sample(method, text, language, cut)
    if item.code:
        return {"code": str(item.code)}
    lines = (item.solution or "").splitlines()
    if method == "distill":
        return {"answer": item.answer, "thinking": item.reasoning is not None, "ends": lines[-1]}
    plan = {"plan": item.params["plan"]} if "plan" in item.params else {}
    return {"answer": item.answer, **plan, "begins": lines[0]}


def of_comparison(text: str, language: str, cut: bool, judge: Judge) -> Any:
    return verdict(text)


READERS: dict[str, Callable[[str, str, bool, Judge], Any]] = {
    "self_instruct": of_problems,
    "similar": of_problems,
    "weakness": of_problems,
    "diagnose": of_skills,
    "concepts": of_problems,
    **{
        name: partial(of_question, method=name)
        for name in ("rephrase", "evolve", "fuse", "self_verification")
    },
    "critique": of_critique,
    "solve_cot": of_words,
    "solve_pot": of_program,
    "nearly_right": of_flaw("nearly_right"),
    "nearly_right_inserted": of_flaw("nearly_right_inserted"),
    "solve_tir": of_turn,
    "tree_search": of_steps,
    "split": of_split,
    "compose": of_composed,
    "extract_concepts": of_concepts,
    "subject": of_subject,
    "solve_choice": of_choice,
    "solve_roles": of_roles,
    "solve_grid": of_grid,
    "write_function": of_function,
    "same_problem": of_comparison,
    "multiple_choice": of_wrong_options,
    "distill": partial(of_sample, method="distill"),
    "multi_path": partial(of_sample, method="multi_path"),
    "textbook_qa": of_pairs,
    "refine": of_article,
    "refine_thinking": of_article,
    "web_qa": of_pairs,
    "ocr": of_page,
    "pose": of_posed,
    "complete_text": of_continuation,
    "browse": of_actions,
}


def fixtures(name: str) -> list[dict[str, Any]]:
    prompt, language = name.rsplit(".", 1)
    path = HERE / prompt / f"{language}.yaml"
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.is_file() else []


def every() -> Iterator[Any]:
    for name in prompts.names():
        for one in fixtures(name):
            yield pytest.param(name, one, id=f"{name}: {one['family']}")


@pytest.mark.parametrize("name", prompts.names())
def test_each_prompt_file_has_completions_of_several_families(name: str) -> None:
    families = [one["family"] for one in fixtures(name)]
    assert len(set(families)) >= LEAST, f"tests/prompts/{name.replace('.', '/')}.yaml has too few fixtures"


@pytest.mark.parametrize(("name", "fixture"), every())
def test_a_completion_is_read_as_it_was_meant(name: str, fixture: dict[str, Any], judge: Judge) -> None:
    prompt, language = name.rsplit(".", 1)
    cut = fixture.get("finish", "stop") == "length"
    assert READERS[prompt](fixture["completion"], language, cut, judge) == fixture["parsed"]
