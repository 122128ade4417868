"""What a rebuild starts from: the version, the runs that left its candidates, and the rules by which they are judged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.plugins import checked, module, scores_of

# sections of the configuration that a rebuild takes from its base
INHERITED = ("verify", "score", "similarity", "decontaminate", "select", "mix")


def base_of(config: Rebuild, store: Store) -> tuple[Version, Nightly]:
    """Return the version that is rebuilt, and the rules by which its candidates are judged.

    Raises StorageError if there is no such version, and ConfigError or UnknownName if a plug-in or a file is missing.
    """
    base = store.resolve(f"{config.dataset}@{config.base}" if config.base else config.dataset)
    rules = inherited(config, base)
    for package, names in (
        ("tasks.scorers", [*rules.score.scorers, *config.rescore]),
        ("tasks.decontamination.rules", rules.decontaminate.rules),
    ):
        for name in names:
            module(package, name)
    refuse_other_scorers(config, rules)
    for path in config.benchmarks or ():
        if not Path(path).exists():
            raise ConfigError(f"setting benchmarks: there is no {path}. Fix: check the path")
    return base, rules


def refuse_other_scorers(config: Rebuild, rules: Nightly) -> None:
    """Raise ConfigError if `rescore` names a scorer that the rebuild does not have, so that it would judge nothing."""
    for name in config.rescore:
        if name not in rules.score.scorers:
            with_it = ", ".join([*rules.score.scorers, name])
            raise ConfigError(
                f"rescore names {name}, which is none of the scorers of this rebuild ({', '.join(rules.score.scorers) or 'none'}). "
                f"Fix: --set scorers='[{with_it}]'"
            )


def refuse_unknown_values(config: Rebuild, base: Version, store: Store, stages: Iterable[str]) -> None:
    """Raise ConfigError if `without` or `only` names a value that no candidate of the base has.

    stages: those that judge solutions. The rows that other stages left are no candidates.
    """
    columns = sorted({*config.without, *config.only})
    if not columns:
        return
    candidates = store.candidates()
    if candidates is None:
        raise ConfigError(f"{base} left no candidates. Fix: run a night first")
    runs, past = origin(base, store)
    solved = pc.field("stage").isin(sorted({*stages, *past}))
    rows = candidates.to_table(columns=columns, filter=pc.field("run").isin(runs) & solved)
    for setting, chosen in (("without", config.without), ("only", config.only)):
        for column, values in chosen.items():
            there = pc.unique(rows.column(column)).drop_null().to_pylist()
            try:
                checked(f"{column} among the candidates,", values, sorted(map(str, there)))
            except ValueError as error:
                raise ConfigError(f"setting {setting}.{column}: {error}. Fix: name one of these") from None


def origin(base: Version, store: Store) -> tuple[list[str], set[str]]:
    """Return the runs whose candidates the base can be made of, oldest first, and the scorers that judged them."""
    versions = [v for v in store.versions(base.dataset) if v.table_version <= base.table_version]
    runs = list(dict.fromkeys(str(v.lineage.get("run", v)) for v in versions))
    return runs, {name for v in versions for name in _section(v, "score").get("scorers", ())}


def inherited(config: Rebuild, base: Version) -> Nightly:
    """Return the rules by which the base was judged, with what the rebuild changes."""
    try:
        known = Nightly.model_validate({name: _section(base, name) for name in INHERITED})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{base} was made with a setting {where} that cannot be used: {first['msg']}. "
            "Fix: put the plug-in or file that it names back, or rebuild an older version with --base"
        ) from None
    score = known.score.model_copy(
        update={
            "thresholds": known.score.thresholds | config.thresholds,
            "scorers": known.score.scorers if config.scorers is None else config.scorers,
        }
    )
    compared = {
        name: value
        for name, value in (("benchmarks", config.benchmarks), ("rules", config.rules))
        if value is not None
    }
    return known.model_copy(
        update={
            "dataset": config.into or config.dataset,
            "score": score,
            "verify": known.verify
            if config.correctness is None
            else known.verify.model_copy(update={"min_correctness": config.correctness}),
            "similarity": config.similarity or known.similarity,
            "decontaminate": known.decontaminate.model_copy(update=compared),
            "mix": config.mix or known.mix,
            "gates": config.gates,
        }
    )


def _section(version: Version, name: str) -> dict[str, Any]:
    """Return a section of the version's settings, without the settings of older releases that do not exist any more."""
    stored = (version.lineage.get("parameters") or {}).get(name) or {}
    known = type(getattr(Nightly(), name)).model_fields
    section = {key: value for key, value in stored.items() if key in known}
    if (
        name == "score" and section
    ):  # versions from before there were such thresholds had the same ones for all rows
        section.setdefault("trusted", {})
    if "thresholds" in section:  # one of a score that no scorer gives has never had an effect
        there = scores_of("tasks.scorers")
        section["thresholds"] = {key: value for key, value in section["thresholds"].items() if key in there}
    return section
