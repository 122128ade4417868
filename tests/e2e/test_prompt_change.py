"""A changed prompt shows in the lineage of the next version, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prompts import HERE, load
from storage.datasets.store import Store
from tests.e2e.processes import Home

NIGHT = (
    "nightly", "--target", "6", "--set", "generate.languages={en: 1}", "--set", "generate.subdomains=[linear equations]",
    "--set", "weakness.share=0", "--set", "score.canaries=0", "--set", "solve.canaries=0", "--set", "verify.known=0",
)  # fmt: skip


def refs(version: dict[str, Any]) -> dict[str, str]:
    """The prompts of a version's lineage, by name and language."""
    pairs = (ref.partition("@") for ref in version["lineage"]["prompts"])
    return {name: digest for name, _, digest in pairs}


def test_a_prompt_change_shows_in_the_lineage_of_the_next_version(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    nights = home()
    first = nights.json(*NIGHT)
    folder = tmp_path / "prompts"
    folder.mkdir()
    text = (
        (HERE / "solve_cot.en.md")
        .read_text(encoding="utf-8")
        .replace("one step per line", "one short step per line")
    )
    (folder / "solve_cot.en.md").write_text(text, encoding="utf-8")
    second = nights.json(*NIGHT, MATHMILL_PROMPTS=str(folder))

    changed = load("solve_cot", "en", folder).digest[:8]
    assert refs(first)["solve_cot.en"] == load("solve_cot", "en").digest[:8] != changed
    assert refs(second) == refs(first) | {"solve_cot.en": changed}
    assert "prompt_overlay" not in first["lineage"]
    assert [ref.partition("@")[0] for ref in second["lineage"]["prompt_overlay"]] == ["solve_cot.en"]
    # the version before, its rows included, is as it was published
    store = Store(nights.path)
    old, new = store.versions("math-sft")
    assert old.lineage == first["lineage"]
    ref = f"solve_cot.en@{refs(first)['solve_cot.en']}"
    assert ref in store.read(old).column("prompt").to_pylist()
    assert ref not in store.added(new).column("prompt").to_pylist()
    assert f"solve_cot.en@{changed}" in store.added(new).column("prompt").to_pylist()
