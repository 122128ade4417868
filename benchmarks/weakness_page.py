"""Measure everything of docs/weakness.md that is measured here, and write its section of figures.

    python -m benchmarks.weakness_page [--folder FOLDER] [--seeds 5] [--small] [--to docs/weakness.md]

The parts are those of three benchmarks, each with its circumstances in its own docstring: `weakness` (the allocator with simulated students),
`weakness_search` (planted clusters, neighbours of real problems by type, recall of the indexes) and `weakness_student` (arms with a student that
learns). Every part is kept in the folder, so that a run that was killed is continued by the same command, and a second run only writes the page.
Whole, it takes about 50 minutes of CPU, most of it for the student. The section stands between two comments in the page; the rest of the page is written by hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.recordings import DATA
from benchmarks.weakness import CLUSTERS, METHODS, NIGHTS, regrets, wrongly_dropped
from benchmarks.weakness_search import NEIGHBOURS, by_type, mean_interval, planted
from benchmarks.weakness_student import ARMS, SMALL, WHOLE, Sizes, compared, records_of, skill_shares
from storage.atomic import write_bytes
from storage.counting import counted
from storage.errors import ForPeople
from tasks.evaluation.statistics import paired
from tasks.retrieval.encoder import Encoder

BEGIN = "<!-- Written by benchmarks/weakness_page.py: edits between this comment and the next are lost. -->"
END = "<!-- The end of what benchmarks/weakness_page.py writes. -->"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "weakness.md"
STUDENTS, DRAWS, FAILURES, POOL = 30, 20, 200, 3000
SHOWN = 0.05  # p by Holm's correction below which a difference is called shown


class PageError(ForPeople, ValueError):
    """A page that has no section for the figures."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where everything is kept; default: a new one")
    parser.add_argument("--seeds", type=int, default=5, help="random seeds of the student")
    parser.add_argument(
        "--small", action="store_true", help="a student with less than half of the rows and steps"
    )
    parser.add_argument("--to", type=Path, default=PAGE, help="the page whose section is written")
    given = parser.parse_args()
    folder: Path = (given.folder or Path(tempfile.mkdtemp(prefix="weakness-page-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    sizes = SMALL if given.small else WHOLE
    text = section(folder, sizes, range(given.seeds))
    write_bytes(given.to, with_section(given.to.read_text(encoding="utf-8"), text).encode())
    print(f"wrote {given.to}; everything is kept in {folder}")
    return 0


def with_section(page: str, text: str) -> str:
    """Return the page with the text as its section of figures. Raises PageError if the page has no such section."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise PageError(
            f"the page has no section for figures. Fix: put the line {BEGIN} and the line {END} into it"
        )
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def section(folder: Path, sizes: Sizes, seeds: Sequence[int]) -> str:
    """Return the Markdown of the figures. What the folder does not have yet is measured."""
    encode = Encoder()
    parts = [
        _of_clusters(_kept(folder / "planted.json", lambda: planted(DRAWS, encode))),
        _of_neighbours(_kept(folder / "types.json", lambda: by_type(FAILURES, POOL, encode)))
        if (folder / "types.json").exists() or (DATA / "math").is_dir()
        else f"**Neighbours by skill, on real text.** Not measured: the problems of MATH are not on this machine ({DATA.name}/math).",
        _of_allocator(_kept(folder / "allocator.json", _allocator)),
    ]
    records, skill_of = records_of(folder, sizes, seeds)
    return "\n\n".join([*parts, of_student(records, skill_of, sizes)])


def _kept(file: Path, measure: Callable[[], Any]) -> Any:
    """Return what the file holds, which is measured first where there is none."""
    if not file.exists():
        write_bytes(file, orjson.dumps(measure()))
    return orjson.loads(file.read_bytes())


def _allocator() -> dict[str, Any]:
    return {
        "regrets": {name: asdict(one) for name, one in regrets(STUDENTS).items()},
        "wrongly dropped": wrongly_dropped(100, 0.03),
    }


def _of_clusters(indexes: Mapping[str, Sequence[float]]) -> str:
    named = {
        "hidden": "by `weakness`, with the subdomains hidden, so that they are guessed from the questions",
        "stated": "by `weakness`, with the subdomains stated",
        "k-means": "by k-means over the sentence vectors, with the number of families given",
    }
    return "\n".join(
        [
            f"**Clusters of planted skills.** Failures are drawn from five problem families of different subdomains, 12 of each, and clustered; this is done {DRAWS} times. The adjusted Rand index says how far the clusters are the families: 1 is exactly, 0 is as by chance.",
            "",
            "| what is clustered | adjusted Rand index [95 % interval] |",
            "|---|--:|",
            *(f"| {text} | {_index(indexes[name])} |" for name, text in named.items()),
            "",
            f"k-means separates the families {'better' if indexes['k-means'][1] > indexes['hidden'][2] else 'no better'}, but it is given their number, which a run does not know.",
        ]
    )


def _of_neighbours(figures: Mapping[str, Any]) -> str:
    steps = ("nearest", "floor", "floor and profile")
    lines = [
        f"| {name} | {one['failures']} | {100 * one['at random']:.0f} % | "
        + " | ".join(_share(one[step]) for step in steps)
        + " |"
        for name, one in figures["types"].items()
    ]
    touched, without = figures["touched"], figures["without"]
    recall = ", ".join(f"{name} {value:.3f}" for name, value in sorted(figures["recall"].items()))
    return "\n".join(
        [
            f"**Neighbours by skill, on real text.** {figures['failures']} problems of MATH (test) stand for failures, and {figures['pool']:,} problems of MATH (train) are the pool. MATH labels each problem with a type, which the search does not see. "
            "The table has the share of the neighbours that have the type of their failure, with its 95 % interval over failures. `floor` is the least cosine similarity of a neighbour; the last column leaves out neighbours whose "
            "guessed profile (subdomain and concepts) shows that they need another skill.",
            "",
            f"| type | failures | drawn at random | nearest {NEIGHBOURS} | above `floor` | above `floor`, by guessed profile |",
            "|---|--:|--:|--:|--:|--:|",
            *lines,
            "",
            f"All neighbours together are {touched['nearest']:,} different questions. `floor` leaves {touched['floor']:,} of them, and {counted(without['floor'], 'failure')} without a neighbour; the guessed profile leaves "
            f"{touched['floor and profile']:,}, and {counted(without['floor and profile'], 'failure')} without one. A pool of this size is searched exactly. Approximate indexes over the same pool, with the default target "
            f"of 0.95, have these shares of the exact {NEIGHBOURS} neighbours: {recall}.",
        ]
    )


def _of_allocator(figures: Mapping[str, Any]) -> str:
    lines = [
        f"| {name}, {counted(round(100 * one['error']), 'point')} | {one['final']['gain']:.2f} | {one['final']['quotas']:.2f} | {one['final']['random']:.2f} | "
        f"{_points(one['minus_quotas'])} | {_points(one['minus_random'])} |"
        for name, one in figures["regrets"].items()
    ]
    return "\n".join(
        [
            f"**Allocation by measured gain.** {STUDENTS} students are simulated, whose learning curves are known, with {CLUSTERS} clusters and {METHODS} methods over {NIGHTS} nights. The table has the regret at the end: how many points a "
            "student is behind one whose rows were allocated by a greedy rule that knows the curves (lower is better). The settings of the allocation were not tuned on these students.",
            "",
            "| standard error of a verdict | `quotas=gain` | `quotas=failures` | at random | gain minus failures [95 % interval] | gain minus random [95 % interval] |",
            "|---|--:|--:|--:|---|---|",
            *lines,
            "",
            f"A cluster should be dropped only if its gain is below the least gain. One whose gain is exactly the least was dropped in {100 * figures['wrongly dropped']:.0f} % of 100 simulated runs of 100 nights each; the test promises at most 5 %.",
        ]
    )


def of_student(records: Sequence[Mapping[str, Any]], skill_of: Mapping[str, str | None], sizes: Sizes) -> str:
    """Return the figures of the student: what it fails, the clusters, the arms and their comparisons."""
    first = records[0]
    items = sorted(first["scores"]["before"])
    rand = [one["rand"] for one in records if one["rand"] is not None]
    failed = sum(one["failed"] for one in records) / max(sum(one["judged"] for one in records), 1)
    weak = float(np.mean([one["weak"] for one in records]))
    index = mean_interval(rand) if len(set(rand)) > 1 else [rand[0]] * 3
    counts: dict[str, list[int]] = {}
    for record in records:
        for skill, (hits, of) in record.get("by_skill", {}).items():
            own = counts.setdefault(skill, [0, 0])
            own[0], own[1] = own[0] + hits, own[1] + of
    retrieved = ", ".join(f"{skill} {hits:,} of {of:,}" for skill, (hits, of) in sorted(counts.items()))
    pairs = compared(records)
    lines = [
        f"**A student that learns.** A small transformer is trained from scratch on {sizes.corpus:,} rows for {sizes.base:,} steps. It has five skills, three of which are rare (2 % of the rows each). An arm of {sizes.added} requested rows continues it for {sizes.continued} steps, "
        f"half of the tokens from the arm and half from the rows of before. This is done with {len(records)} seeds, {len(items)} measuring items, and without the labels of the probe. The student fails {100 * failed:.0f} % of the driving items; {100 * weak:.0f} % of "
        f"these failures are of the rare skills. The adjusted Rand index of the clusters and the skills is {_index(index)}.",
        "",
        "| arm | rows | calls of the teacher | tokens | right answers [95 % interval] |",
        "|---|--:|--:|--:|--:|",
    ]
    for arm in ("before", "nothing", *ARMS):
        scores = [[one["scores"][arm][item] for item in items] for one in records if arm in one["scores"]]
        if not scores:
            lines.append(f"| `{arm}` | not measured | | | |")
            continue
        own = paired(np.array(scores), np.zeros_like(np.array(scores)))
        paid = [one["arms"][arm] for one in records if arm in one["arms"]]
        figures = [
            f"{np.mean([one[key] for one in paid]):,.0f}" if paid else ""
            for key in ("rows", "calls", "tokens")
        ]
        lines.append(
            f"| {_named(arm)} | {' | '.join(figures)} | {100 * own.candidate:.1f} % [{100 * own.low:.1f}, {100 * own.high:.1f}] |"
        )
    lines += [
        "",
        f"Differences between arms, paired by seed and item, with p after Holm's correction over these {len(pairs)} comparisons:",
        "",
        "| arm | compared with | difference, points [95 % interval] | corrected p |",
        "|---|---|---|--:|",
    ]
    for (arm, other), (pair, p) in pairs.items():
        against = "`nothing new`" if other == "nothing" else f"`{other}`"
        lines.append(
            f"| `{arm}` | {against} | {100 * pair.delta:+.1f} [{100 * pair.low:+.1f}, {100 * pair.high:+.1f}] | "
            f"{'< 0.001' if p < 0.001 else f'{p:.2g}'}{'' if p < SHOWN else ', not shown'} |"
        )
    harm = [
        f"`{arm}`"
        for (arm, other), (pair, p) in pairs.items()
        if other == "nothing" and p < SHOWN and pair.delta < 0
    ]
    lines += [
        "",
        f"Arms that are shown to be worse than `nothing new`: {', '.join(harm) or 'none'}. Of the rows that `math-retrieval` has for the failures of a skill, so many need that skill: {retrieved or 'not recorded'}.",
        "",
        *_skill_table(skill_shares(records, skill_of)),
    ]
    return "\n".join(lines)


def _skill_table(shares: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a table of the right answers by arm and skill."""
    skills = sorted({skill for own in shares.values() for skill in own})
    return [
        f"| right answers by skill, over all seeds | {' | '.join(skills)} |",
        f"|---|{'--:|' * len(skills)}",
        *(
            f"| {_named(arm)} | {' | '.join(f'{100 * own[skill]:.0f} %' for skill in skills)} |"
            for arm, own in shares.items()
        ),
    ]


def _named(arm: str) -> str:
    return {
        "before": "no further training",
        "nothing": "`nothing new`: the rows of before, for as many steps",
    }.get(arm, f"`{arm}`")


def _index(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def _share(value: Sequence[float]) -> str:
    if any(one is None or np.isnan(one) for one in value):
        return "none left"
    return f"{100 * value[0]:.0f} % [{100 * value[1]:.0f}, {100 * value[2]:.0f}]"


def _points(value: Sequence[float]) -> str:
    return f"{value[0]:+.2f} [{value[1]:+.2f}, {value[2]:+.2f}]"


if __name__ == "__main__":
    sys.exit(main())
