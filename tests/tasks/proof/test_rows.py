"""Items and seed problems are apart from each other, and the prompts of the proof ask for easy problems."""

from __future__ import annotations

from pathlib import Path

import pytest

import prompts
from tasks.proof import rows
from tasks.proof.rows import MEASURES, WRITTEN_BY, draw, easy_prompts
from tasks.proof.sizes import COMMON, RARE, SIZES, SUBDOMAINS
from tasks.taxonomy import SUBDOMAINS as KNOWN
from tasks.weakness.split import measures


def test_items_measure_or_drive_and_are_as_many_of_each_subdomain() -> None:
    measured = draw("test items", 40, SUBDOMAINS, part="measures")
    driving = draw("test probe", 20, SUBDOMAINS, part="drives", without={one.question for one in measured})
    assert [one.subdomain for one in measured] == [name for name in SUBDOMAINS for _ in range(10)]
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


def test_the_subdomains_are_of_the_taxonomy_and_each_is_common_or_rare() -> None:
    assert set(SUBDOMAINS) <= set(KNOWN)
    assert not set(COMMON) & set(RARE)


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
        before = (prompts.HERE / f"{name}.en.md").read_text(encoding="utf-8").splitlines()
        after = (folder / f"{name}.en.md").read_text(encoding="utf-8").splitlines()
        assert [b for a, b in zip(before, after, strict=True) if a != b] == [rows._EASY]


def test_a_prompt_without_the_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WRITTEN_BY:
        (tmp_path / f"{name}.en.md").write_text("no such line", encoding="utf-8")
    monkeypatch.setattr(prompts, "HERE", tmp_path)
    with pytest.raises(ValueError, match="Vary the difficulty"):
        easy_prompts(tmp_path / "written")
