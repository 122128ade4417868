"""Items and seed problems are apart from each other, and the prompts of the proof ask for easy problems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import prompts
from tasks.problems.machinery.family import families, of_subdomain
from tasks.proof import rows
from tasks.proof.rows import MEASURES, PER_PASSAGE, WRITTEN_BY, draw, easy_prompts, passages, solved
from tasks.proof.sizes import COMMON, FAMILIES, RARE, SIZES, SUBDOMAINS, WHOLE
from tasks.replies.programs import program
from tasks.taxonomy import SUBDOMAINS as KNOWN
from tasks.teacher.reading import read
from tasks.weakness.split import measures


def test_items_measure_or_drive_and_are_as_many_of_each_subdomain() -> None:
    measured = draw("test items", 40, SUBDOMAINS, part="measures")
    driving = draw("test probe", 20, SUBDOMAINS, part="drives", without={one.question for one in measured})
    assert [(one.subdomain, one.family) for one in measured] == [
        (name, FAMILIES[name].name) for name in SUBDOMAINS for _ in range(8)
    ]
    assert all(measures(one.question, MEASURES) for one in measured)
    assert not any(measures(one.question, MEASURES) for one in driving)
    assert len({one.question for one in [*measured, *driving]}) == 60
    assert [one.question for one in draw("test items", 40, SUBDOMAINS, part="measures")] == [
        one.question for one in measured
    ]
    first = {one.question for one in measured}
    assert first.isdisjoint(
        one.question for one in draw("test items", 40, SUBDOMAINS, part="any", without=first)
    )


def test_the_subdomains_are_of_the_taxonomy_each_with_a_family_of_its_own_point() -> None:
    assert set(SUBDOMAINS) <= set(KNOWN)
    assert not set(COMMON) & set(RARE)
    for subdomain, family in FAMILIES.items():
        assert families()[family.name].subdomain == subdomain
        named = [one.name for one in of_subdomain(subdomain) if family.point in one.concepts]
        assert named == [family.name]


def test_rows_of_the_corpus_are_solved_in_several_layouts_and_are_no_held_out_problem() -> None:
    held_out = {one.question for one in draw("test items", 10, SUBDOMAINS, part="any")}
    records = solved("test items", 200, SUBDOMAINS, held_out)
    assert len({one["question"] for one in records}) == 200
    assert held_out.isdisjoint(one["question"] for one in records)
    assert all(rf"\boxed{{{one['answer']}}}" in one["solution"] for one in records)
    beginnings = {one["solution"].split()[0] for one in records}
    assert {"Step", "1.", "First:", "Let"} <= beginnings


def test_a_book_has_sections_of_solved_problems_none_of_which_is_held_out() -> None:
    held_out = {one.question for one in draw("test book", 10, SUBDOMAINS, part="any")}
    book = passages("test book", 40, held_out)
    asked = [one.question for one in draw("test book", 40, SUBDOMAINS, part="any", without=held_out)]
    assert all(question in book for question in asked)
    assert not any(question in book for question in held_out)
    sections = book.split("\n## ")[1:]
    assert [one.splitlines()[0] for one in sections[::2]] == [
        f"Section {number}: {subdomain}"
        for number, subdomain in zip(range(1, 11, 2), SUBDOMAINS, strict=True)
    ]
    assert all(one.count(r"\boxed{") == PER_PASSAGE for one in sections)


def test_rows_in_programs_are_of_the_same_problems_and_each_is_one_block() -> None:
    words = solved("test items", 20, SUBDOMAINS, ())
    programs = solved("test items", 20, SUBDOMAINS, (), programs=True)
    assert [one["question"] for one in programs] == [one["question"] for one in words]
    assert all(one["solution"].endswith("\n```") and program(one["solution"]) for one in programs)
    assert all(program(one["solution"], unfenced=False) is None for one in words)


def test_another_edition_draws_other_problems() -> None:
    names = [one.drawn("items") for one in (WHOLE, replace(WHOLE, edition=" another"))]
    first, second = ({one.question for one in draw(name, 20, SUBDOMAINS, part="measures")} for name in names)
    assert len(first & second) < 5


def test_sizes_are_found_by_name_and_the_pilot_has_other_seeds_than_the_whole() -> None:
    assert all(name == one.name for name, one in SIZES.items())
    assert not set(SIZES["pilot"].seeds) & set(SIZES["whole"].seeds)
    assert all(one.items % len(SUBDOMAINS) == one.driving % len(SUBDOMAINS) == 0 for one in SIZES.values())


def test_the_prompts_ask_for_easy_problems_and_are_else_the_projects_own(tmp_path: Path) -> None:
    folder = easy_prompts(tmp_path / "prompts")
    for name in WRITTEN_BY:
        prompt = prompts.load(name, "en", folder)
        own = prompts.load(name, "en")
        assert prompt.ref != own.ref
        before = own.body.splitlines()
        for subdomain, family in FAMILIES.items():
            values = {"subdomain": subdomain, "count": 3, "question": "1 + 1", "wrong": "3", "reference": "2"}
            system, user = prompt.messages(**values, examples=[])
            job = read(system["content"], user["content"])
            assert job.concepts == {family.point}
            assert job.scale == 1
        lines = [line for line in prompt.body.splitlines() if line not in before]
        assert lines[0] == rows._EASY
        assert len(lines) == 1 + 2 * len(
            FAMILIES
        )  # the conditions and the points; each ends as other conditions do


def test_a_prompt_without_the_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WRITTEN_BY:
        (tmp_path / f"{name}.en.md").write_text("no such line", encoding="utf-8")
    monkeypatch.setattr(prompts, "HERE", tmp_path)
    with pytest.raises(ValueError, match="Vary the difficulty"):
        easy_prompts(tmp_path / "written")
