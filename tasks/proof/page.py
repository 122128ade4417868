"""Write docs/proof.md: the verdicts on the primary claims first, then what they rest on. The page is a function of the stored scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from storage.atomic import write_bytes, write_text
from storage.counting import counted
from storage.errors import ForPeople
from storage.markdown import code, inline
from tasks.evaluation.statistics import Paired
from tasks.proof import plots
from tasks.proof.claims import EXPLORATORY, NOTE, Tested, base_of, compared, table, verdicts_of
from tasks.proof.power import components, power
from tasks.proof.sizes import PILOT, QUICK, WHOLE

StoredScores = Mapping[str, Any]
EFFECTS = (0.03, 0.0372, 0.06, 0.1)  # whose power a pilot states


class PageDiffers(ForPeople, ValueError):
    """A page that is not what its stored scores give, or has none."""


@dataclass(frozen=True, slots=True)
class ProofPage:
    """The page that was written or verified, and its claims."""

    page: Path
    tested: list[Tested]


def written(stored: StoredScores, page: Path) -> ProofPage:
    """Write the page, its stored scores (NAME.json) and its plot (NAME.svg) beside it."""
    page.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(scores_of(page), orjson.dumps(stored, option=orjson.OPT_INDENT_2) + b"\n")
    results = verdicts_of(arms(stored))
    plots.deltas(results, page.with_suffix(".svg"))
    write_text(page, text_of(stored, results, page))
    return ProofPage(page, results)


def verified(page: Path) -> ProofPage:
    """Compute the page from its stored scores, and return it if it is the one that is there. Raises PageDiffers."""
    scores = scores_of(page)
    if not scores.exists():
        raise PageDiffers(f"{scores}: there are no stored scores. Fix: ./mathmill proof")
    stored = orjson.loads(scores.read_bytes())
    results = verdicts_of(arms(stored))
    lines = text_of(stored, results, page).splitlines()
    there = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    for number, (one, other) in enumerate(zip(lines, [*there, *[""] * len(lines)], strict=False), 1):
        if one != other:
            raise PageDiffers(
                f"{page}, line {number}: its stored scores give {one[:100]!r}. Fix: ./mathmill proof"
            )
    if len(there) > len(lines):
        raise PageDiffers(
            f"{page}, line {len(lines) + 1}: its stored scores give no such line. Fix: ./mathmill proof"
        )
    return ProofPage(page, results)


def scores_of(page: Path) -> Path:
    """Return the file of the stored scores of a page."""
    return page.with_suffix(".json")


def arms(stored: StoredScores, records: str = "records") -> dict[str, dict[int, str]]:
    """Return arm -> seed -> 1 or 0 for each item. records: those of the planned run, or "again" for those of a second one."""
    result: dict[str, dict[int, str]] = {}
    for record in stored.get(records, {}).values():
        for arm, scores in record["scores"].items():
            result.setdefault(arm, {})[record["seed"]] = scores
    return result


def text_of(stored: StoredScores, results: Sequence[Tested], page: Path) -> str:
    """Return the page as Markdown."""
    scores = arms(stored)
    parts = [
        _verdicts(stored, results),
        _table(results, page.with_suffix(".svg").name),
        _design(stored, scores),
        *(
            [_power(results, scores)]
            if stored["sizes"] == PILOT.name
            else [_consequences(results), _deviations(stored)]
        ),
        _again(stored, results),
        _exploratory(scores),
        _arms(stored, scores),
        _versions(stored),
        _counts(stored),
    ]
    return "\n".join(line for part in map(list, parts) if part for line in [*part, ""]).rstrip() + "\n"


def _verdicts(stored: StoredScores, results: Sequence[Tested]) -> Iterator[str]:
    yield from ("# The proof", "")
    if stored["sizes"] == QUICK.name:
        yield from (
            "**A quick run: it shows that every part runs. Its sizes prove nothing, whatever the verdicts below are.**",
            "",
        )
    verdicts = Counter(one.verdict for one in results)
    counts = [
        f"{verdicts['shown']} {'is' if verdicts['shown'] == 1 else 'are'} shown",
        f"{verdicts['failed']} failed",
    ]
    if verdicts["not run"]:
        counts.append(f"{verdicts['not run']} {'was' if verdicts['not run'] == 1 else 'were'} not run")
    yield f"Of {len(results)} primary claims, {', '.join(counts[:-1])} and {counts[-1]} on the product's path:"
    yield ""
    for one in results:
        figures = (
            "" if one.paired is None else f" {_difference(one.paired)}, Holm's p {p_value(one.corrected)}."
        )
        yield f"- **{one.claim.number}, {one.verdict}.** {one.claim.text}.{figures}"
    yield from ("", NOTE)
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for arm, own in arms(stored).items():
        name = base_of(arm)
        if name in stored["base"]["scores"]:
            less = _right(list(own.values())) < _right([stored["base"]["scores"][name]])
            (below if less else above).setdefault(name, []).append(arm)
    for name, which in below.items():
        share = percent(_right([stored["base"]["scores"][name]]))
        alone = len(which) == 1 and name in above
        who = f"{', '.join(which)} {'answers' if alone else 'answer'}" if name in above else "All arms answer"
        yield ""
        yield (
            f"**{who} less than the {name} that {'it continues' if alone else 'they continue'} ({share}):** the claims are about differences between arms, "
            f"and {'this arm is' if alone else 'these arms are'} not better than no further training."
        )


def _right(scores: Sequence[str]) -> float:
    """Return the mean of scores (1 or 0 for each item) of some seeds."""
    return float(np.mean([[float(score) for score in one] for one in scores]))


def _table(results: Sequence[Tested], plot: str) -> Iterator[str]:
    yield from (
        "## Primary claims",
        "",
        f"![Differences of the primary claims with their intervals]({plot})",
        "",
    )
    yield "| | candidate | baseline | difference, points | 95 % | p | p (Holm) | verdict | seeds, items | published |"
    yield "|---|---|---|--:|---|--:|--:|---|---|---|"
    for one in results:
        pair, claim = one.paired, one.claim
        if pair is None:
            yield f"| {claim.number} | {claim.candidate} | {claim.baseline} | | | | | {one.verdict} | | {claim.published} |"
            continue
        yield (
            f"| {claim.number} | {claim.candidate}, {percent(pair.candidate)} | {claim.baseline}, {percent(pair.baseline)} | {points(pair.delta)} "
            f"| {points(pair.low)} to {points(pair.high)} | {p_value(one.p)} | {p_value(one.corrected)} | {one.verdict} "
            f"| {pair.seeds}, {pair.items} | {claim.published} |"
        )
    yield ""
    yield (
        "The tests, their sizes and what follows from them were fixed first, in [the plan](proof-plan.md). Claim 2 is an equivalence: its p is one-sided, of "
        "a difference of 3 points or more. Holm's correction is over all five; a claim that was not run counts with p = 1. "
        "Intervals cover seeds and items and are not corrected."
    )


def _design(stored: StoredScores, scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    design, base = stored["design"], stored["base"]
    right = ", ".join(f"{percent(_right([one]))} by the {name}" for name, one in base["scores"].items())
    cpu = [record["cpu_s"] for record in stored["records"].values()]
    yield from ("## How", "")
    yield (
        f"Written by {code(stored['command'])} on {stored['date']} at commit {code(stored['commit'])}; do not edit. {inline(stored['machine'])}. "
        f"{base['cpu_s']:.0f} CPU seconds for what arms start from, {sum(cpu):.0f} for the arms. `./mathmill proof --verify` computes this page again from its stored scores."
    )
    yield ""
    yield (
        f"The model is a small student ({counted(base['parameters'], 'parameter')}). One base ({counted(design['base'], 'step')} of {design['training']['batch']} blocks of "
        f"{design['training']['length']} tokens) has learned {counted(design['corpus'], 'row')} of two common subdomains and {design['scarce']} of three rare ones, one family each, imported in the layouts of the embedded teacher. "
        f"Of {counted(len(stored['items']), 'held-out item')}, as many of each subdomain, are answered rightly {right}. Every arm continues it for "
        f"{counted(design['steps'], 'step')}, half of whose tokens are the arm's rows and half the base's. The rows of the arms are written and solved by the embedded "
        "teacher through the flow `make` or `weakness`, with the prompts' difficulty set to easy, or taken from an imported pool that is like the base's rows, so that arms differ by their problems and not by their wording. "
        "Arms are versions, trained by the flow `train` and scored by `evaluate`. The arm `nothing new` is trained on the base's rows alone for as many steps. "
        f"Claim 4 has a base of its own, which has learned {counted(design['programs'] + design['programs_scarce'], 'program')} besides, and whose arms are asked in the form `words_or_program`: "
        "a program is executed in the sandbox, otherwise the answer of the words is read. Seeds differ in what the teacher writes, in what is drawn and in the order of the rows; "
        "the bases, their corpora, the pool and the items are the same for all seeds, so the intervals do not cover another base."
    )
    yield ""
    yield (
        "A model of this size on problems of this size says what the loop can do, not what a large model would gain."
    )


def _power(results: Sequence[Tested], scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    yield from ("## Power", "")
    yield (
        "Of the whole proof, simulated from the variances of this pilot: the share of runs in which a difference is shown at 1 %, Holm's strictest "
        "step, and at 5 %, its mildest."
    )
    yield ""
    yield (
        "| claim | variance of seeds, items, rest | seeds, items | "
        + " | ".join(f"{points(one)}" for one in EFFECTS)
        + " |"
    )
    yield "|---|---|---|" + "---|" * len(EFFECTS)
    for one in results:
        seeds = sorted(scores.get(one.claim.candidate, {}).keys() & scores.get(one.claim.baseline, {}).keys())
        if len(seeds) < 2:
            continue
        of = components(table(scores[one.claim.candidate], seeds) - table(scores[one.claim.baseline], seeds))
        count = len(WHOLE.seeds)
        cells = []
        for effect in EFFECTS:
            effect = 0.0 if one.claim.margin is not None else effect
            each = [
                power(of, effect, seeds=count, items=WHOLE.items, alpha=alpha, margin=one.claim.margin)
                for alpha in (0.01, 0.05)
            ]
            cells.append(" and ".join(f"{share:.2f}" for share in each))
        if one.claim.margin is not None:
            cells = [f"of no difference: {cells[0]}", *[""] * (len(cells) - 1)]
        yield f"| {one.claim.number} | {of.seeds:.4f}, {of.items:.4f}, {of.rest:.4f} | {count}, {WHOLE.items} | {' | '.join(cells)} |"


def _consequences(results: Sequence[Tested]) -> Iterator[str]:
    yield from ("## What follows for the factory", "", "| claim | verdict | if it fails |", "|---|---|---|")
    for one in results:
        yield f"| {one.claim.number} | {one.verdict} | {one.claim.then} |"


def _deviations(stored: StoredScores) -> Iterator[str]:
    yield from ("## Deviations from the plan", "")
    missing = stored.get("missing", [])
    gone = [f"Not run to their end, and not counted: {', '.join(missing)}."] if missing else []
    yield from [f"- {one}" for one in (*gone, *stored.get("deviations", []))] or ["None."]


def _again(stored: StoredScores, results: Sequence[Tested]) -> Iterator[str]:
    """A second run with other seeds, tested alone and in the same way; nothing if there is none."""
    if not stored.get("again"):
        return
    second = verdicts_of(arms(stored, "again"))
    both = [(one, other) for one, other in zip(results, second, strict=True) if one.paired and other.paired]
    agreeing = sum(one.verdict == other.verdict for one, other in both)
    yield from ("## With other seeds", "")
    yield (
        "A second run, with other seeds and the same bases, items and tests, tested alone. It decides nothing; fewer seeds have less power. "
        f"{agreeing} of {len(both)} verdicts are those of the first run, and {sum((one.paired.delta > 0) == (other.paired.delta > 0) for one, other in both if one.paired and other.paired)} differences have its sign."
    )
    yield from ("", "| | first run | verdict | second run | 95 % | p (Holm) | verdict | seeds |")
    yield "|---|--:|---|--:|---|--:|---|---|"
    for one, other in both:
        if one.paired is None or other.paired is None:
            continue
        pair = other.paired
        yield (
            f"| {one.claim.number}. {one.claim.candidate} against {one.claim.baseline} | {points(one.paired.delta)} | {one.verdict} | {points(pair.delta)} "
            f"| {points(pair.low)} to {points(pair.high)} | {p_value(other.corrected)} | {other.verdict} | {pair.seeds} |"
        )


def _exploratory(scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    yield from ("## Exploratory", "")
    yield "Not planned as claims and not corrected: these differences suggest what to test next, and show nothing."
    yield from ("", "| candidate | baseline | difference, points | 95 % | p |", "|---|---|--:|---|--:|")
    for candidate, baseline in EXPLORATORY:
        if (pair := compared(scores, candidate, baseline)) is not None:
            yield (
                f"| {candidate} | {baseline} | {points(pair.delta)} | {points(pair.low)} to {points(pair.high)} | {p_value(pair.p)} |"
            )


def _arms(stored: StoredScores, scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    subdomains = list(dict.fromkeys(stored["items"]))
    seeds = sorted({seed for own in scores.values() for seed in own})
    yield from ("## All arms", "")
    yield f"| arm | right | {' | '.join(subdomains)} | {' | '.join(f'seed {seed}' for seed in seeds)} |"
    yield "|---|--:|" + "--:|" * (len(subdomains) + len(seeds))
    every = {name: {-1: one} for name, one in stored["base"]["scores"].items()} | dict(scores)
    for arm, own in every.items():
        right = np.array([[float(score) for score in one] for one in own.values()])
        each = [
            percent(float(right[:, [topic == one for one in stored["items"]]].mean())) for topic in subdomains
        ]
        by_seed = [
            percent(float(np.mean([float(one) for one in own[seed]]))) if seed in own else ""
            for seed in seeds
        ]
        yield f"| {arm} | {percent(float(right.mean()))} | {' | '.join(each)} | {' | '.join(by_seed)} |"


def _versions(stored: StoredScores) -> Iterator[str]:
    yield from ("## Versions", "")
    yield (
        "What each arm was trained on, beside the versions of its base. All are in the home of the run: "
        "`./mathmill show VERSION` shows one, and `./mathmill train` trains on it again."
    )
    yield from ("", "| arm | version | digest |", "|---|---|---|")
    bases = stored["base"]["versions"]
    own = {name for versions in bases.values() for name in versions}
    for arm, versions in [*bases.items(), *_by_arm(stored)]:
        left = {name: digest for name, digest in versions.items() if arm in bases or name not in own}
        yield f"| {arm} | {', '.join(map(code, left)) or 'none'} | {', '.join(code(one[:16]) for one in left.values())} |"


def _by_arm(stored: StoredScores) -> Iterator[tuple[str, Mapping[str, str]]]:
    for record in (*stored["records"].values(), *stored.get("again", {}).values()):
        yield from record["versions"].items()


def _counts(stored: StoredScores) -> Iterator[str]:
    yield from ("## Counts", "", "| experiment, seed | | CPU s |", "|---|---|--:|")
    for name, record in (stored["records"] | stored.get("again", {})).items():
        facts = ", ".join(f"{about} {count:g}" for about, count in record["facts"].items())
        yield f"| {name} | {inline(facts)} | {record['cpu_s']:.0f} |"


def points(share: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return f"{100 * share:+.1f}"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f} %"


def p_value(p: float) -> str:
    """Return a p value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _difference(pair: Paired) -> str:
    return f"{points(pair.delta)} points [{points(pair.low)}, {points(pair.high)}]"
