"""What a review shows, as lines for people: progress, error rate, agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.counting import counted
from tasks.review.agreement import Agreement
from tasks.review.estimate import LEVEL, ErrorEstimate, ErrorRate
from tasks.review.session import Progress, Review

FEWEST = 10  # judgements of a subdomain that are worth a line of their own


def lines(review: Review) -> list[str]:
    """Return the state of a review in lines: progress, error rate by subdomain, acceptance, agreement."""
    return [
        f"{review.version}: {progress_of(review.progress())}",
        *rates(review.estimate()),
        *map(agreement_of, review.agreements()),
    ]


def progress_of(progress: Progress) -> str:
    """Return the progress in a line."""
    opinions = ", ".join(f"{count:,} {name}" for name, count in progress.opinions.items() if count)
    by = ", ".join(f"{name} {count:,}" for name, count in progress.reviewers.items())
    more = "".join(f"; {part}" for part in (opinions, by) if part)
    return f"{progress.judged:,} of {counted(progress.asked, 'row')} judged{more}"


def rates(estimate: ErrorEstimate) -> list[str]:
    """Return the estimated error rates, one a line; of subdomains with few judgements none."""
    if estimate.whole is None:
        return ["No row was judged right or wrong yet: there is no estimate"]
    shown = [f"Wrong rows     {rate_of(estimate.whole)}"]
    if estimate.acceptance is not None:
        shown.append(f"Uniform part   {estimate.acceptance.words}")
    if estimate.unclear:
        shown.append(f"Left out       {counted(estimate.unclear, 'row')} that nobody could decide")
    ranked = sorted(estimate.subdomains.items(), key=lambda item: (-item[1].rate, item[0]))
    shown += [f"  {name:25.25} {rate_of(rate)}" for name, rate in ranked if rate.judged >= FEWEST]
    few = sum(rate.judged < FEWEST for _, rate in ranked)
    return [*shown, f"  {counted(few, 'subdomain')} with fewer than {FEWEST} judgements"] if few else shown


def rate_of(rate: ErrorRate) -> str:
    """Return an error rate for people, such as "2.1 % (0.6 % to 5.0 % at 95 %), of 200 judgements"."""
    if rate.low == rate.high:  # every row was judged
        return f"{100 * rate.rate:.1f} % (counted: all {counted(rate.judged, 'row')} were judged, so that there is no sampling error)"
    return (
        f"{100 * rate.rate:.1f} % ({100 * rate.low:.1f} % to {100 * rate.high:.1f} % at {100 * LEVEL:.0f} %), "
        f"of {counted(rate.judged, 'judgement')}"
    )


def agreement_of(agreement: Agreement) -> str:
    """Return the agreement of two reviewers in a line."""
    kappa = "undefined" if agreement.kappa is None else f"{agreement.kappa:.2f}"
    return (
        f"Agreement      {agreement.first} and {agreement.second}: {100 * agreement.same:.0f} % of "
        f"{counted(agreement.rows, 'row')}, Cohen's kappa {kappa}"
    )


def shown_row(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a reviewer reads of a row, as (heading, text): no vote and no score, which would lead the judgement."""
    turns = "\n\n".join(f"[{turn['role']}] {turn['content']}" for turn in row.get("messages") or ())
    parts: Sequence[tuple[str, str | None]] = (
        ("Question", None if turns else row["question"]),
        ("Turns", turns),
        ("Solution", row["solution"]),
        ("Answer", row["answer"]),
    )
    return [(heading, text) for heading, text in parts if text]


def votes_on(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the checks say of a row, as (heading, text), for a reviewer who asks."""
    verdicts = ", ".join(f"{name} {value}" for name, value in sorted(row["verdicts"].items()))
    scores = ", ".join(f"{name} {value:.2f}" for name, value in sorted(row["scores"].items()))
    correctness = row["correctness"]
    parts = (
        ("Trusted answer", row["reference_answer"]),
        ("Checks", verdicts),
        ("Scores", scores),
        ("Probability of being right", None if correctness is None else f"{correctness:.2f}"),
        ("Critic", row["critique"]),
        ("Made by", " ".join(str(row[name]) for name in ("method", "model", "prompt") if row[name])),
    )
    return [(heading, str(text)) for heading, text in parts if text]
