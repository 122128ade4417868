"""The report on a critic: its measures beside the baselines, as a record and as a page in Markdown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.counting import counted
from storage.markdown import code, fenced, inline
from tasks.arrays import Floats, Mask
from tasks.critics import baselines
from tasks.critics.evaluation import (
    BINS,
    NOT_NAMED,
    RESAMPLES,
    CriticMeasures,
    Estimate,
    NamingPoint,
    Opinion,
    Truth,
    by_part,
    difference,
    measure,
    ratio,
    reliability,
)
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import Checked, check

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "ece": "ECE",
    "first_error_found": "first error found",
    "right_unblamed": "right, no step blamed",
    "f1": "F1",
    "agreement": "agrees with strong model",
}
PARTS = {"source": "set", "by": "origin of the label", "subdomain": "subdomain", "kind": "kind of error"}
TRADED = ("first_error_found", "right_unblamed", "f1")  # what an operating point of naming trades
FEWEST = 10  # solutions of a part that has a line of its own


def described(paths: Sequence[str | Path]) -> list[dict[str, str]]:
    """Return the name and SHA-256 of each file."""
    return [
        {"file": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
        for path in paths
    ]


def as_words(data: Sequence[Mapping[str, str]]) -> list[str]:
    """Return files and versions as the arguments of `critic train`, each behind its `option` if it has one."""
    return [word for one in data for word in (one.get("option", ""), one["file"]) if word]


def evaluate(
    solutions: Sequence[LabelledSolution],
    opinion: Opinion,
    *,
    shares: Floats,
    beside: Sequence[Opinion] = (),
    precise: float | None = None,
    places: npt.NDArray[np.int64] | None = None,
    points: Sequence[Sequence[tuple[NamingPoint, Opinion]]] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the record of an evaluation: measures with intervals of the critic and of the baselines, paired differences, and the
    measures by part.

    shares: of the other samples of the question that agree with each answer, NaN where there are none (baselines.agreement_shares). beside:
    further opinions that are no baselines. precise: a threshold whose precision and share accepted are reported.
    places: the likeliest first wrong step of each solution (n,), also where the critic names none; None where it knows no steps. points: the
    operating points of naming, with the opinion that each leads to, of each way to judge.
    """
    truth = Truth.of(solutions)
    checked = [check(one.steps, question=one.question) for one in solutions]
    agreement, covered = baselines.answer_agreement(solutions, shares), ~np.isnan(shares)
    others = [
        baselines.majority(solutions),
        # of one set alone it would be the majority class again
        *([baselines.majority_of_source(solutions)] if len({one.source for one in solutions}) > 1 else []),
        agreement,
        baselines.step_checker(solutions, checked),
    ]
    own = measure(truth, opinion, resamples=resamples, seed=seed)
    measured = [measure(truth, other, resamples=resamples, seed=seed) for other in others]
    more = [measure(truth, other, resamples=resamples, seed=seed) for other in beside]
    record: dict[str, Any] = {
        "solutions": len(solutions),
        "right": int(truth.right.sum()),
        "questions": own.questions,
        "placed_wrong": own.placed_wrong,
        "seed": seed,
        "resamples": resamples,
        "threshold": opinion.threshold,
        "critics": [_line(one) for one in (own, *more, *measured)],
        "differences": [line for one in (own, *more) for line in _differences(one, measured)],
        "reliability": [
            {"probability": one.probability, "right": one.right, "count": one.count}
            for one in reliability(truth, opinion)
        ],
        "parts": {},
    }
    if covered.any() and not covered.all():
        record["with_samples"] = _on_part(
            truth, covered, (opinion, *beside), agreement, seed=seed, resamples=resamples
        )
    judged = ~np.isnan(truth.strong)
    if len({*truth.right[judged].tolist()}) == 2:
        strong = Opinion(
            "strong model", np.where(judged, truth.strong, 0.5), np.full(len(truth), NOT_NAMED, np.int64)
        )
        record["with_strong"] = _on_part(
            truth, judged, (opinion, *beside), strong, seed=seed, resamples=resamples
        )
    if precise is not None:
        accepted = opinion.right >= precise
        hits = int((accepted & truth.right).sum())
        record["precise"] = {
            "threshold": precise,
            "accepted": int(accepted.sum()),
            "precision": hits / int(accepted.sum()) if accepted.any() else None,
            "interval": _proportion(hits, int(accepted.sum())),
        }
    if truth.placed.any():
        record["operating_points"] = [
            _operating_point(truth, *one, seed=seed, resamples=resamples)
            for listed in points
            for one in listed
        ]
    record["first_errors"] = _first_errors(solutions, truth, checked, opinion, places)
    for name in PARTS:
        record["parts"][name] = _by_part(solutions, truth, opinion, others, name, seed)
    return record


COMPARED = ("balanced_accuracy", "auroc", "ece", "first_error_found", "f1")  # of kinds of critics


def compared(solutions: Sequence[LabelledSolution], opinion: Opinion, seed: int) -> dict[str, Any]:
    """Return the measures by which kinds of critics are compared."""
    measured = measure(Truth.of(solutions), opinion, seed=seed, only=COMPARED)
    return {name: estimate.record() for name, estimate in measured.estimates.items()}


def _operating_point(
    truth: Truth, point: NamingPoint, opinion: Opinion, *, seed: int, resamples: int
) -> dict[str, Any]:
    """Return what an operating point trades on the calibrating questions, which chose it, and on these solutions."""
    here = measure(truth, opinion, resamples=resamples, seed=seed, only=TRADED)
    return asdict(point) | {
        "name": opinion.name,
        "here": {name: estimate.record() for name, estimate in here.estimates.items()},
    }


def _first_errors(
    solutions: Sequence[LabelledSolution],
    truth: Truth,
    checked: Sequence[Checked],
    opinion: Opinion,
    places: npt.NDArray[np.int64] | None,
) -> list[dict[str, Any]]:
    """Return, for all wrong solutions with a known place, and by set and by kind of error, how many there are, in how many the step checker
    recomputed something in the first wrong step and in how many it is wrong, in how many that step has numbers or formulas to recompute at all, and
    how many places the critic names, and would name if it named a step of every one."""
    wrong = truth.placed & ~truth.right
    first = np.array([NOT_NAMED if one.first_error is None else one.first_error for one in solutions])
    stated = [
        one.steps[place] if place >= 0 else "" for one, place in zip(solutions, first.tolist(), strict=True)
    ]
    verdicts = [
        finding.verdicts[place] if place >= 0 else ""
        for finding, place in zip(checked, first.tolist(), strict=True)
    ]
    facts: dict[str, Mask] = {
        "calculates": np.array([_CALCULATES.search(step) is not None for step in stated]),
        "recomputed": np.array([one in ("right", "wrong") for one in verdicts]),
        "recomputed_wrong": np.array([one == "wrong" for one in verdicts]),
        "named": opinion.first_wrong == first,
    }
    if places is not None and (places != NOT_NAMED).any():
        facts["located"] = places == first
    parts = {"all": np.ones(len(solutions), bool)}
    parts |= by_part(solutions, "source") | by_part(solutions, "kind")
    return [
        {"part": name, "solutions": int((mask & wrong).sum())}
        | {fact: float(values[mask & wrong].mean()) for fact, values in facts.items()}
        for name, mask in parts.items()
        if (mask & wrong).sum() >= FEWEST
    ]


_CALCULATES = re.compile(r"\d[^=≈<>]{0,80}[=≈<>]|[=≈<>][^=≈<>]{0,80}\d")  # a relation with a number on a side


def _on_part(
    truth: Truth, rows: Mask, own: Sequence[Opinion], other: Opinion, *, seed: int, resamples: int
) -> dict[str, Any]:
    """Return the measures of critics on a part of the solutions beside another opinion that has something to say on these only."""
    part = truth.take(rows)
    critics = [measure(part, one.take(rows), resamples=resamples, seed=seed) for one in own]
    beside = measure(part, other.take(rows), resamples=resamples, seed=seed)
    return {
        "solutions": int(rows.sum()),
        "critics": [_line(one) for one in (*critics, beside)],
        "differences": [line for one in critics for line in _differences(one, [beside])],
    }


def _by_part(
    solutions: Sequence[LabelledSolution],
    truth: Truth,
    opinion: Opinion,
    others: Sequence[Opinion],
    name: str,
    seed: int,
) -> list[dict[str, Any]]:
    lines = []
    for part, mask in by_part(solutions, name).items():
        if int(mask.sum()) < FEWEST:
            continue
        inside = truth.take(mask)
        critics = [measure(inside, one.take(mask), resamples=200, seed=seed) for one in (opinion, *others)]
        lines.append(
            {
                "part": part,
                "solutions": int(mask.sum()),
                "right": int(inside.right.sum()),
                "called_wrong": float((~opinion.take(mask).says_right)[~inside.right].mean())
                if (~inside.right).any()
                else None,
                "critics": [_line(one) for one in critics],
            }
        )
    return lines


def _line(measured: CriticMeasures) -> dict[str, Any]:
    return {
        "name": measured.name,
        "measures": {name: estimate.record() for name, estimate in measured.estimates.items()},
    }


def _differences(own: CriticMeasures, others: Sequence[CriticMeasures]) -> list[dict[str, Any]]:
    lines = []
    for other in others:
        for name in ("balanced_accuracy", "first_error_found", "f1"):
            lines.append(
                {
                    "critic": own.name,
                    "against": other.name,
                    "measure": name,
                    **difference(own, other, name).record(),
                }
                | {"ratio": _finite(ratio(own, other, name))}
            )
    return lines


def _finite(estimate: Estimate) -> dict[str, float | None]:
    return {
        name: None if value is None or not np.isfinite(value) else value
        for name, value in estimate.record().items()
    }


def _proportion(hits: int, of: int) -> list[float] | None:
    """Return Wilson's 95 % interval of a share."""
    if not of:
        return None
    z, share = 1.959964, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return [round(float(middle - half), 6), round(float(middle + half), 6)]


def to_markdown(record: Mapping[str, Any], plot: str = "") -> str:
    """Return the page of a record (that of flows/critic.py around `evaluate`'s). `plot`: the address of the reliability plot."""
    measures = record["measures"]
    lines = [
        "# Critics",
        "",
        "Written by a command; do not edit. Reproduce it with",
        "",
        *fenced(record["command"], "text").splitlines(),
        "",
        f"The critic {code(record['critic']['identity'])} judged {counted(measures['solutions'], 'solution')} of "
        f"{counted(measures['questions'], 'question')}; {measures['right']:,} of the solutions are right, and of "
        f"{measures['placed_wrong']:,} wrong ones the place of the first error is known. It was trained on "
        f"{counted(record['critic']['training']['solutions'], 'solution')} of other questions and calibrated on "
        f"{counted(record['critic']['calibrating']['solutions'], 'solution')} of others again. "
        "Left out of this page, because the critic has seen the question or a near duplicate of it: "
        f"{counted(record['left_out'], 'solution')}."
        + (f" It was trained by {code(record['trained'])}." if record.get("trained") else "")
        + (f" Calls failed for {counted(record['failed'], 'solution')}." if record.get("failed") else ""),
        "",
        "Intervals are 95 % bootstrap intervals over questions "
        f"({record['measures']['resamples']:,} resamples). ECE has {BINS} bins of equal width; resampled bins "
        "deviate more than those of the solutions themselves, so its intervals are too high; where they lie above the estimate, they are extended to it. F1 is ProcessBench's: the harmonic mean "
        "of the share of wrong solutions whose first wrong step is named exactly and of the share of right ones in which none is named. "
        "The thresholds and probabilities of the baselines are fitted to the reported solutions themselves, which flatters them; "
        "those of the critic are not.",
        "",
        *_table(measures["critics"]),
        "",
        "## Against the baselines",
        "",
        *_difference_table(measures["differences"]),
        "",
    ]
    if "with_samples" in measures:
        part = measures["with_samples"]
        lines += [
            f"Of {counted(part['solutions'], 'solution')} there are other samples of the question, without which answer agreement has "
            "nothing to say. On these alone:",
            "",
            *_table(part["critics"]),
            "",
            *_difference_table(part["differences"]),
            "",
        ]
    if "with_strong" in measures:
        part = measures["with_strong"]
        lines += [
            f"{counted(part['solutions'], 'solution')} have a score by a strong model. On these alone:",
            "",
            *_table(part["critics"]),
            "",
            *_difference_table(part["differences"]),
            "",
        ]
    if measures.get("precise"):
        one = measures["precise"]
        interval = one["interval"]
        shown = (
            "none is accepted"
            if interval is None
            else (
                f"{one['accepted']:,} are accepted, of which {one['precision']:.1%} "
                f"({interval[0]:.1%} to {interval[1]:.1%}) are right"
            )
        )
        lines += [
            f"Threshold for a precision of {record['critic']['precision']:.0%}, chosen on the calibrating questions "
            f"({one['threshold']:.3f}): {shown}.",
            "",
        ]
    if measures.get("operating_points"):
        lines += ["## Operating points", "", *_operating_point_lines(measures["operating_points"]), ""]
    if record.get("kinds"):
        lines += ["## Other kinds of critics", "", *_kind_lines(record["kinds"]), ""]
    lines += ["## Reliability", ""]
    if plot:
        lines += [f"![Reliability]({plot})", ""]
    lines += ["| probability of being right | share right | solutions |", "|--:|--:|--:|"]
    lines += [
        f"| {one['probability']:.3f} | {one['right']:.3f} | {one['count']:,} |"
        for one in measures["reliability"]
    ]
    if measures.get("first_errors"):
        lines += [
            "",
            "## What can be seen of first errors",
            "",
            *_first_error_lines(measures["first_errors"]),
        ]
    if record.get("gain"):
        lines += ["", "## Planted errors", "", *_gain_lines(record["gain"])]
    for name, title in PARTS.items():
        if measures["parts"].get(name):
            lines += ["", f"## By {title}", "", *_part_table(measures["parts"][name], title)]
    lines += ["", "## Data", "", "| file | SHA-256 |", "|---|---|"]
    lines += [f"| {inline(one['file'])} | {code(one['sha256'][:16])} |" for one in record["data"]]
    return "\n".join(lines) + "\n"


def _kind_lines(kinds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines about several critics on the same questions."""
    heads = [TITLES[name] for name in COMPARED]
    lines = [
        "The same solutions, judged by question and solution alone. Training is what the kind learns from and the CPU seconds of that; each critic "
        "was calibrated on other questions. Solutions a second are per CPU second, where the sentence vectors of texts that were encoded before are looked up.",
        "",
        f"| critic | solutions | {' | '.join(heads)} | trained on | CPU seconds of training | solutions a second |",
        "|---|--:|" + "--:|" * len(heads) + "--:|--:|--:|",
    ]
    for one in kinds:
        cells = [shown(one["measures"][name]) for name in COMPARED]
        seconds = one["training_seconds"]
        lines.append(
            f"| {code(one['identity'])} | {one['solutions']:,} | {' | '.join(cells)} | {one['training']:,} | "
            f"{'-' if seconds is None else f'{seconds:,.0f}'} | {one['per_second']:,.0f} |"
        )
    other = [one for one in kinds if one.get("settings")]
    if other:
        lines += ["", "Trained with settings of the kind (`own`) that are not its defaults:", ""]
    for one in other:
        settings = ", ".join(code(f"{name}={value}") for name, value in one["settings"].items())
        lines.append(f"- {code(one['identity'])}: {settings}")
    return lines


def _operating_point_lines(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines about how many first errors are found for how many right solutions that are blamed."""
    heads = [TITLES[name] for name in TRADED]
    return [
        "A step is named where enough speaks for it. How much is enough is chosen on the calibrating questions: the first line of a critic has the "
        "highest F1 there, each further line finds most first errors among the thresholds whose F1 is at most so much below it (setting "
        "`given_up` of `critic train`). One standard error of F1 is the default, because the calibrating questions cannot rank "
        "thresholds that close. Where the solutions are known to be wrong, as those that step pairs are made of, nothing is lost by naming more.",
        "",
        "| critic | F1 given up | "
        + " | ".join(f"{head}, calibrating" for head in heads)
        + " | "
        + " | ".join(f"{head}, here" for head in heads)
        + " |",
        "|---|--:|" + "--:|" * (2 * len(heads)),
        *(
            f"| {inline(one['name'])} | {_given_up(one)} | "
            + " | ".join(f"{one[name]:.3f}" for name in TRADED)
            + " | "
            + " | ".join(shown(one["here"][name]) for name in TRADED)
            + " |"
            for one in points
        ),
    ]


def _given_up(point: Mapping[str, Any]) -> str:
    """Return how much of F1 a threshold gives up, and whether that is its standard error."""
    return f"{point['given_up']:.3g}" + (" (one standard error)" if point["standard_error"] else "")


def _first_error_lines(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines about the first wrong steps: what recomputing can see of them, and what the critic names."""
    columns = {
        "calculates": "has a relation with a number",
        "recomputed": "could be recomputed",
        "recomputed_wrong": "recomputed to be wrong",
        "named": "named by the critic",
        "located": "named if it always names one",
    }
    shown = [name for name in columns if name in parts[0]]
    return [
        "Of the wrong solutions with a known place, the share in which the first wrong step has a relation with a number on a side; in which the "
        "step checker could decide something in it; in which it finds it wrong, which is the most that rules that recompute can name; which the "
        "critic names; and which it would name if it named a step of every solution, right ones too.",
        "",
        "| wrong solutions | of them | " + " | ".join(columns[name] for name in shown) + " |",
        "|---|--:|" + "--:|" * len(shown),
        *(
            f"| {inline(one['part'])} | {one['solutions']:,} | "
            + " | ".join(f"{one[name]:.3f}" for name in shown)
            + " |"
            for one in parts
        ),
    ]


def _gain_lines(gain: Mapping[str, Any]) -> list[str]:
    """Return the lines about critics with and without planted errors (tasks/critics/gain.py)."""
    titles = {
        "real": "Solutions of other questions as they are",
        "planted": "The right ones of them, and the same with an error planted into each",
    }
    lines: list[str] = []
    for name, part in gain["parts"].items():
        lines += [f"{titles[name]} ({part['solutions']:,}, of which {part['right']:,} are right):", ""]
        lines += [*_table(part["critics"]), ""]
        if part["differences"]:
            shown_ones = [f"{TITLES[one['measure']]} {shown(one)}" for one in part["differences"]]
            lines += [f"Gained by planted errors: {'; '.join(shown_ones)}.", ""]
    names = [one["name"] for one in gain["kinds"][0]["critics"]] if gain["kinds"] else []
    if names:
        heads = [f"{inline(name)}, called wrong | step named" for name in names]
        lines += [f"| kind of planted error | errors | {' | '.join(heads)} |"]
        lines += ["|---|--:|" + "--:|--:|" * len(names)]
        for one in gain["kinds"]:
            cells = [f"{critic['called_wrong']:.3f} | {critic['named']:.3f}" for critic in one["critics"]]
            lines.append(f"| {inline(one['kind'])} | {one['solutions']:,} | {' | '.join(cells)} |")
    return lines


def _table(critics: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [name for name in TITLES if any(one["measures"][name]["value"] is not None for one in critics)]
    return [
        f"| critic | {' | '.join(TITLES[name] for name in names)} |",
        f"|---|{'--:|' * len(names)}",
        *(
            f"| {inline(one['name'])} | {' | '.join(shown(one['measures'][name]) for name in names)} |"
            for one in critics
        ),
    ]


def shown(estimate: Mapping[str, float | None]) -> str:
    """Return an estimate as a cell: "0.716 (0.691 to 0.740)"; "-" where it is not defined."""
    if estimate["value"] is None:
        return "-"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _difference_table(differences: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| critic | against | measure | difference | ratio |", "|---|---|---|--:|--:|"]
    for one in differences:
        if one["value"] is not None:
            times = shown(one["ratio"])
            lines.append(
                f"| {inline(one['critic'])} | {inline(one['against'])} | {TITLES[one['measure']]} | {shown(one)} | {times} |"
            )
    return lines


def _part_table(parts: Sequence[Mapping[str, Any]], title: str) -> list[str]:
    lines = [
        f"| {title} | solutions | right | wrong ones called wrong | balanced accuracy | AUROC | first error found | most of a baseline |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in parts:
        own, *others = (critic["measures"] for critic in one["critics"])
        called = "-" if one["called_wrong"] is None else f"{one['called_wrong']:.3f}"
        best = [other["first_error_found"]["value"] for other in others]
        most = max((value for value in best if value is not None), default=None)
        cells = [_value(own[name]) for name in ("balanced_accuracy", "auroc", "first_error_found")]
        lines.append(
            f"| {inline(one['part'])} | {one['solutions']:,} | {one['right']:,} | {called} | {' | '.join(cells)} | "
            f"{'-' if most is None else f'{most:.3f}'} |"
        )
    return lines


def _value(estimate: Mapping[str, float | None]) -> str:
    return "-" if estimate["value"] is None else f"{estimate['value']:.3f}"
