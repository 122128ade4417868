"""Gates by configuration: what a version must pass before it appears, and before it takes a tag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import ValidationError

from flows.config.loading import ConfigError
from flows.config.sections import GateSettings
from flows.runner.verifier import GATE, certified_version, why_refused
from storage.datasets import quality
from storage.datasets.annotations import newest
from storage.datasets.gates import Gate
from storage.datasets.promotion import TAGS
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import GateFailed
from tasks.review.report import progress_of, rate_of
from tasks.review.session import QUEUE, Review
from tasks.settings import unfit_settings

FILE = "gates.yaml"  # below the home: tag -> gates
CRITIC = "answer"  # the critic's score of the solution

# a tag without an entry in the file asks for these
DEFAULTS = {
    "candidate": GateSettings(),
    "validated": GateSettings(duplicates=0.0),
    "production": GateSettings(duplicates=0.0, verdict=True),
}


def gates_of(
    gates: GateSettings, *, new: int | None = None, dropped: Callable[[], str] | None = None
) -> list[Gate]:
    """Return the checks that a configuration asks for; the verdict and the review are asked for at promotion only. `new`: how many
    of the written rows are new, where not all are. `dropped`: returns why most of the other rows were dropped."""
    checks = [quality.new_rows(gates.min_rows, new, dropped)]
    if gates.correctness is not None:
        checks.append(quality.mean_correctness(gates.correctness))
    if gates.critic is not None:
        checks.append(quality.mean_score(CRITIC, gates.critic))
    if gates.duplicates is not None:
        checks.append(quality.repeated(gates.duplicates))
    if gates.licenses:
        checks.append(quality.licenses(gates.licenses))
    if gates.clean:
        checks.append(quality.clean())
    return checks


def promotion_gates(home: Path) -> dict[str, GateSettings]:
    """Return the gates of each tag: the defaults, and those of <home>/gates.yaml. Raises ConfigError, which names what does not fit."""
    path = home / FILE
    if not path.exists():
        return dict(DEFAULTS)
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        by_tag = dict(DEFAULTS)
        for tag, gates in stored.items():
            by_tag[tag] = GateSettings.model_validate(gates)
        return by_tag
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: must map tags to gates, such as `production: {{min_rows: 1000}}`"
        ) from error
    except ValidationError as error:
        raise ConfigError(
            *(
                f"{path}: {name}: {what}. Fix: the gates are {', '.join(GateSettings.model_fields)}"
                for name, what in unfit_settings(error, tag)
            )
        ) from error


def promote(store: Store, version: Version, tag: str, home: Path, *, whole_queue: bool = True) -> None:
    """Give the version the tag if its rows pass the tag's gates. Raises GateFailed, which names each that fails.

    whole_queue: whether the gate `review` asks for judgements of every row of the queue, or takes those that there are.
    """
    if tag not in (known := promotion_gates(home)):
        raise ConfigError(f"{tag!r} is no tag; there are {', '.join(TAGS)} and those of {home / FILE}")
    gates = known[tag]
    written = quality.of_version(store.where, version)
    failures = [(gate.name, why) for gate in gates_of(gates) if (why := gate.check(written))]
    if why := why_refused(certified_version(store, version), gates):
        failures.append((GATE, why))
    if gates.verdict and (why := _verdict(store, version)):
        failures.append(("gates.verdict", why))
    if gates.review is not None and (why := _review(store, version, gates.review, whole_queue)):
        failures.append(("gates.review", why))
    if failures:
        raise GateFailed(f"{version} as {tag}", failures, "promoted")
    store.promote(version, tag)


def _verdict(store: Store, version: Version) -> str | None:
    """Why the newest verdict on the version, a mark `verdict` with `better`, does not speak for it."""
    verdict = newest(store.marks(version.dataset), version.name, "verdict")
    if verdict is None:
        return (
            "no verdict was reached on it: train a student on it (./mathmill verdict), or set verdict: false"
        )
    return None if verdict.value["better"] else f"the verdict of {verdict.at} is: {verdict.value['verdict']}"


def _review(store: Store, version: Version, most: float, whole_queue: bool) -> str | None:
    """Why the judgements of people do not speak for the version: the queue is not done, or more than `most` may be wrong."""
    if newest(store.marks(version.dataset, QUEUE), version.name, QUEUE) is None:
        return f"nobody has judged its rows: ./mathmill review {version}, or set review: null"
    review = Review.open(store, version)
    progress, rate = review.progress(), review.estimate().whole
    if whole_queue and not progress.done:
        return f"{progress_of(progress)}: ./mathmill review {version}"
    if rate is None:
        return f"no row was judged right or wrong: ./mathmill review {version}"
    if rate.high > most:
        return f"wrong rows {rate_of(rate)}, over {100 * most:g} %: correct them (./mathmill correct {version.dataset}), or judge more rows"
    return None
