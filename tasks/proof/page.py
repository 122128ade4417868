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
from storage.counting import be, counted
from storage.errors import ForPeople
from storage.markdown import code, inline
from tasks.proof import plots
from tasks.proof.claims import CLAIMS, DESCRIBED, EXPLORATORY, Tested, base_of, compared, table, verdicts_of
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
        _reading(),
        _less_than_base(stored),
        _table(results, page.with_suffix(".svg").name),
        _design(stored, scores),
        *(
            [_power(results, scores)]
            if stored["sizes"] == PILOT.name
            else [_consequences(results), _deviations(stored)]
        ),
        _again(stored, results),
        _exploratory(scores),
        _described(stored, scores),
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
        f"{verdicts[name]} {('was' if verdicts[name] == 1 else 'were') if name == 'not run' else be(verdicts[name])} {name}"
        for name in ("shown", "not shown", "refuted", "not run")
        if verdicts[name] or name == "shown"
    ]
    listed = " and ".join([", ".join(counts[:-1]), counts[-1]]) if len(counts) > 1 else counts[0]
    yield f"Of {len(results)} primary claims about what the factory does to training data, {listed}:"
    yield ""
    for one in results:
        yield f"- **{one.claim.number}, {one.verdict}.** {one.claim.text}.{_finding(one)}"


def _finding(one: Tested) -> str:
    """Return in sentences how the two arms of a claim differ, and what the interval excludes; "" if the claim was not run."""
    pair, margin = one.paired, one.claim.margin
    if pair is None:
        return ""
    candidate, baseline = code(one.claim.candidate), code(one.claim.baseline)
    text = (
        f" The share of right answers is {percent(pair.candidate)} with {candidate} and {percent(pair.baseline)} with {baseline}, a difference of {points(pair.delta)} percentage points "
        f"(95 % interval {points(pair.low)} to {points(pair.high)}; corrected p {p_value(one.corrected)})."
    )
    if one.verdict == "refuted" and margin is not None:
        return f"{text} That is significantly more than {100 * margin:.0f} points, so {candidate} is better by more than the claim allows."
    if one.verdict == "refuted":
        return f"{text} So {candidate} is significantly worse."
    if one.verdict == "not shown" and margin is None and pair.low <= 0 <= pair.high:
        return f"{text} The interval contains 0, so that neither is shown to be better."
    if one.verdict == "not shown":
        return f"{text} This is not significant."
    return text


def _reading() -> Iterator[str]:
    """Explain the terms of the page at their first use."""
    yield from ("## How to read this page", "")
    yield (
        "A claim compares two *arms*: two training sets, of which the *candidate* should give a better model than the *baseline*. The model, called the student, continues "
        "a *base*, a checkpoint that was trained before, on the rows of one arm. All arms of a claim continue the same base for the same number of steps and then answer the same "
        "*held-out items*: questions that are in no training set. Each comparison is repeated with several random seeds and is paired by seed and item. "
        "[The arms](#the-arms) are described below, and [the glossary](glossary.md) has the terms of the project."
    )
    yield ""
    yield (
        "A claim is *shown* if what it says of the difference is significant: p is below 0.05 after Holm's correction (Holm-Bonferroni), which keeps the "
        "probability that any of the claims is shown by chance at 5 % or less. It is *refuted* if its opposite is significant after the same kind of correction, and *not shown* if neither is so: then the "
        "difference may be too small for this run to see. In [the plan](proof-plan.md), which was fixed before the run, a claim that is refuted or not shown has *failed*; the plan also states the power of the test, and "
        "a default of the factory changes only where the power for the published difference was 0.8 or more."
    )


def _less_than_base(stored: StoredScores) -> Iterator[str]:
    """Name the arms that answer less than the base that they continue; nothing if there is none."""
    below: dict[str, list[str]] = {}
    for arm, own in arms(stored).items():
        name = base_of(arm)
        if name in stored["base"]["scores"] and _right(list(own.values())) < _right(
            [stored["base"]["scores"][name]]
        ):
            below.setdefault(name, []).append(arm)
    if below:
        yield "The claims are about differences between arms. They do not say that an arm is better than no further training:"
        yield ""
    for name, which in below.items():
        share = percent(_right([stored["base"]["scores"][name]]))
        yield f"- Of the arms that continue the model {code(name)}, which answers {share} of the items rightly, these answer less: {', '.join(map(code, which))}."


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
    yield "| | candidate | baseline | difference, points | 95 % interval | p | corrected p | verdict | seeds, items | in the literature |"
    yield "|---|---|---|--:|---|--:|--:|---|---|---|"
    for one in results:
        pair, claim = one.paired, one.claim
        if pair is None:
            yield f"| {claim.number} | {code(claim.candidate)} | {code(claim.baseline)} | | | | | {one.verdict} | | {claim.published} |"
            continue
        yield (
            f"| {claim.number} | {code(claim.candidate)}, {percent(pair.candidate)} | {code(claim.baseline)}, {percent(pair.baseline)} | {points(pair.delta)} "
            f"| {points(pair.low)} to {points(pair.high)} | {p_value(one.p)} | {p_value(one.corrected)} | {one.verdict} "
            f"| {pair.seeds}, {pair.items:,} | {claim.published} |"
        )
    yield ""
    yield (
        "Beside each arm is the share of the items that it answers rightly. A difference is candidate minus baseline, in percentage points. The last column has the difference that the "
        "literature reports for such a comparison, with other models and other problems; it is empty where the plan names none. Claim 2 says that a difference is small, so its p is that of a "
        "one-sided test against a difference of 3 points or more, and a p near 1 means that the difference is larger. Corrected p are by Holm over all claims; one that was not run counts with "
        "p = 1. Intervals are over seeds and items and are not corrected."
    )


def _design(stored: StoredScores, scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    design, base = stored["design"], stored["base"]
    right = " and ".join(
        f"{percent(_right([one]))} with the model {code(name)}" for name, one in base["scores"].items()
    )
    cpu = [record["cpu_s"] for record in stored["records"].values()]
    yield from ("## How it was run", "")
    yield (
        f"Written by {code(stored['command'])} on {stored['date']} at commit {code(stored['commit'])}; do not edit. {inline(stored['machine'])}. "
        f"The bases took {base['cpu_s']:,.0f} CPU seconds, the arms {sum(cpu):,.0f}. `./mathmill proof --verify` computes this page again from its stored scores."
    )
    yield ""
    yield (
        f"**Bases.** The student is a small transformer ({counted(base['parameters'], 'parameter')}). The base is trained from scratch for {counted(design['base'], 'step')} of {design['training']['batch']} blocks of "
        f"{design['training']['length']} tokens, on {counted(design['corpus'], 'row')} of two common subdomains and {counted(design['scarce'], 'row')} of three rare ones. Each subdomain has one family of problems, which a "
        f"program draws, with solutions in the wording of the embedded teacher (a rule-based program that stands in for a model). Claim 4 has a base of its own, which has learned {counted(design['programs'] + design['programs_scarce'], 'program')} besides."
    )
    yield ""
    yield (
        f"**Arms.** Every arm of a claim continues its base for {counted(design['steps'], 'step')}; half of the tokens are of the arm's rows and half of the base's. The arm `nothing new` has the base's rows alone. The rows of the arms "
        "are written and solved by the embedded teacher in the flows `make` and `weakness`, with the difficulty set to easy in the prompts, or they are from an imported pool that is like the base's rows. So arms differ "
        "by their problems and not by their wording. Each arm is a published version, trained by the flow `train` and scored by the flow `evaluate`."
    )
    yield ""
    yield (
        f"**Items.** {counted(len(stored['items']), 'held-out item')}, the same number of each subdomain. The share of right answers is {right}. The arms of claim 4 are asked to answer in words or by a program (the form `words_or_program`): a program is executed "
        "in the sandbox, and otherwise the answer in the words is read."
    )
    yield ""
    yield (
        "**Seeds.** Seeds differ in what the teacher writes, in what is drawn and in the order of the rows. The bases, the rows that they have learned, the pool and the items are the same for all seeds, so the intervals do not "
        "say how much another base would change."
    )
    yield ""
    yield (
        "A model of this size on problems of this kind says what the factory can do, and not what a large model would gain."
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
    yield from ("## What follows for the factory", "")
    yield "The plan fixed what becomes of a default of the factory if a claim is refuted or not shown."
    yield from ("", "| claim | verdict | consequence | applies |", "|---|---|---|---|")
    for one in results:
        applies = "no" if one.verdict in ("shown", "not run") else "yes"
        yield f"| {one.claim.number} | {one.verdict} | {one.claim.then} | {applies} |"


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
    same = sum(
        (one.paired.delta > 0) == (other.paired.delta > 0)
        for one, other in both
        if one.paired and other.paired
    )
    yield from ("## With other seeds", "")
    yield (
        "The claims were run a second time with other seeds, on the same bases and items, and tested alone in the same way. This run decides nothing; it shows how far the verdicts depend on the seeds. "
        f"{agreeing} of {counted(len(both), 'claim')} {'has' if agreeing == 1 else 'have'} the same verdict as in the first run, and {same} of {counted(len(both), 'difference')} {'has' if same == 1 else 'have'} the same sign."
    )
    yield from (
        "",
        "| | first run, points | verdict | second run, points | 95 % interval | corrected p | verdict | seeds |",
    )
    yield "|---|--:|---|--:|---|--:|---|---|"
    for one, other in both:
        if one.paired is None or other.paired is None:
            continue
        pair = other.paired
        yield (
            f"| {one.claim.number}. {code(one.claim.candidate)} against {code(one.claim.baseline)} | {points(one.paired.delta)} | {one.verdict} | {points(pair.delta)} "
            f"| {points(pair.low)} to {points(pair.high)} | {p_value(other.corrected)} | {other.verdict} | {pair.seeds} |"
        )


def _exploratory(scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    yield from ("## Exploratory comparisons", "")
    yield (
        "These comparisons are not claims of the plan, and their p are not corrected. They suggest what to test next, and show nothing. A positive difference means that the candidate answers more items rightly."
    )
    yield from (
        "",
        "| candidate | baseline | difference, points | 95 % interval | p |",
        "|---|---|--:|---|--:|",
    )
    for candidate, baseline in EXPLORATORY:
        if (pair := compared(scores, candidate, baseline)) is not None:
            yield (
                f"| {code(candidate)} | {code(baseline)} | {points(pair.delta)} | {points(pair.low)} to {points(pair.high)} | {p_value(pair.p)} |"
            )


def _described(stored: StoredScores, scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    yield from ("## The arms", "", "| arm | what it is trained on |", "|---|---|")
    for arm in (*stored["base"]["scores"], *scores):
        yield f"| {code(arm)} | {DESCRIBED.get(arm, '')} |"


def _arms(stored: StoredScores, scores: Mapping[str, Mapping[int, str]]) -> Iterator[str]:
    subdomains = list(dict.fromkeys(stored["items"]))
    seeds = sorted({seed for own in scores.values() for seed in own})
    yield from ("## Scores of all arms", "")
    yield (
        "The share of the items that are answered rightly, as the mean over the seeds: of all items, by subdomain, and of all items for each seed. A base has no seed of its own."
    )
    yield ""
    yield f"| arm | all items | {' | '.join(subdomains)} | {' | '.join(f'seed {seed}' for seed in seeds)} |"
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
        yield f"| {code(arm)} | {percent(float(right.mean()))} | {' | '.join(each)} | {' | '.join(by_seed)} |"


def _versions(stored: StoredScores) -> Iterator[str]:
    yield from ("## Versions", "")
    yield (
        "The dataset versions that each arm was trained on, without those of its base, and the beginnings of their digests. They are in the home of the run, where "
        "`./mathmill show VERSION` shows one and `./mathmill train` trains on it again."
    )
    yield from ("", "| arm | version | digest |", "|---|---|---|")
    bases = stored["base"]["versions"]
    own = {name for versions in bases.values() for name in versions}
    for arm, versions in [*bases.items(), *_by_arm(stored)]:
        left = {name: digest for name, digest in versions.items() if arm in bases or name not in own}
        name, _, seed = arm.partition(", seed ")
        shown = f"{code(name)}, seed {inline(seed)}" if seed else code(name)
        yield f"| {shown} | {', '.join(map(code, left)) or 'none'} | {', '.join(code(one[:16]) for one in left.values())} |"


def _by_arm(stored: StoredScores) -> Iterator[tuple[str, Mapping[str, str]]]:
    for record in (*stored["records"].values(), *stored.get("again", {}).values()):
        yield from record["versions"].items()


def _counts(stored: StoredScores) -> Iterator[str]:
    yield from ("## Counts", "")
    experiments = "; ".join(
        f"{code(name)} the arms of {'claim' if len(numbers) == 1 else 'the claims'} {' and '.join(map(str, numbers))}"
        for name in dict.fromkeys(one.experiment for one in CLAIMS)
        for numbers in [[one.number for one in CLAIMS if one.experiment == name]]
    )
    yield (
        f"One experiment makes, trains and scores several arms for one seed: {experiments}; `control` the arm `nothing new`; `explored` the other exploratory arms. "
        "`asked` is the number of questions that the base was asked for its failures, `failed` the number that it answered wrongly."
    )
    yield from ("", "| experiment and seed | counts | CPU seconds |", "|---|---|--:|")
    for name, record in (stored["records"] | stored.get("again", {})).items():
        facts = "; ".join(f"{_counted_of(about)}: {count:g}" for about, count in record["facts"].items())
        yield f"| {name} | {facts} | {record['cpu_s']:.0f} |"


def _counted_of(about: str) -> str:
    """Return what was counted, such as "rows of `random`"."""
    what, of, arm = about.partition(" of ")
    return f"{inline(what)} of {code(arm)}" if of else inline(what)


def points(share: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return f"{100 * share:+.1f}"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f} %"


def p_value(p: float) -> str:
    """Return a p value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
