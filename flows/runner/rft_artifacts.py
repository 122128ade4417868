"""Prefect artifacts of the flow `rft`: paths before and after, and ten pairs to read."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

import orjson
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.runner.artifacts import key_of
from flows.runner.page_links import version_path, with_link
from flows.runner.rft_publication import Sampled, dataset_of
from flows.settings import load_settings
from storage.counting import counted
from storage.markdown import fenced, inline
from storage.stage_cache.shards import Ref
from tasks.rft.summary import worse_of
from tasks.seeding import seed_of

SHOWN = 10
WIDTH = 88  # columns of a fenced block in the Prefect UI, which cuts longer lines off
COLUMNS = ["id", "question", "solution", "answer", "params", "rejected"]


def paths_artifact(done: Sampled) -> None:
    """Put a table on the run's page: right solutions, distinct paths and what stays, by the fail rate of the question."""
    create_table_artifact(
        key=f"{key_of(dataset_of(done.config, done.version, 'rft'))}-paths",
        table=done.paths(),
        description=with_link(
            "Right solutions before and after those of one reasoning path were joined, by the fail rate of their question",
            load_settings(),
            version_path(done.version),
        ),
    )


def pairs_artifact(done: Sampled, shards: Sequence[Ref]) -> None:
    """Put SHOWN pairs on the run's page, drawn by a hash of their ids."""
    rows = done.line.kept(list(shards), COLUMNS).to_pylist()
    drawn = sorted(rows, key=lambda row: seed_of("shown pair", row["id"]))[:SHOWN]
    dataset = dataset_of(done.config, done.version, "dpo")
    few = f"{len(drawn)} of " if len(drawn) < len(rows) else ""
    parts = [f"{few}{counted(len(rows), 'pair')} of `{dataset}`.\n"]
    for number, row in enumerate(drawn, 1):
        worse = worse_of(orjson.loads(row["params"]))
        parts += [
            f"## Pair {number}: {inline(row['answer'])}, not {inline(worse['answer'])}\n",
            fenced(wrapped(row["question"])),
            "Chosen:\n",
            fenced(wrapped(row["solution"])),
            f"Rejected, margin {worse['margin']:.2f}:\n",
            fenced(wrapped(worse["solution"])),
        ]
    create_markdown_artifact(
        key=f"{key_of(dataset)}-pairs",
        markdown=with_link("\n".join(parts), load_settings(), "/versions"),
        description=f"Pairs of `{dataset}`",
    )


def wrapped(text: str) -> str:
    """Return the text with its lines broken so that none is wider than WIDTH columns; a Chinese character takes two."""
    lines = []
    for line in text.splitlines():
        wide = sum(unicodedata.east_asian_width(character) in "WF" for character in line)
        width = WIDTH // 2 if 2 * wide > len(line) else WIDTH
        lines += textwrap.wrap(line, width, replace_whitespace=False, break_on_hyphens=False) or [""]
    return "\n".join(lines)
