"""What a night builds on, checked before its first paid call: its files, its models, and the version before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.runner.after_publication import finish, latest, raise_if_published
from flows.runner.decontamination import Decontamination, refuse_unknown_kinds
from flows.runner.forecast_inputs import forecast_of, notice
from flows.runner.learnt_limits import limits_of_night
from flows.runner.limits import limits_for, refuse_elsewhere
from flows.runner.material import Material
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.run_notes import RunNote
from flows.runner.seed_files import probe_file, seed_files
from flows.settings import EMBEDDED, NIGHT_ROLES, Settings
from prompts.overlay import overlaid
from storage.datasets.versions import Version
from storage.rows import to_table
from storage.stage_cache.shards import digest_of
from tasks.evaluation.verdict import gains_of
from tasks.llm.model_files import CHECKPOINT
from tasks.methods import columns_of, role_of, subdomains_of
from tasks.plugins import module
from tasks.sandbox import SandboxUnavailable, isolation
from tasks.scorers import scorer
from tasks.seeding import seed_of
from tasks.selection import selector, settings_of
from tasks.stages.solve import SolveSettings
from tasks.taxonomy import SUBDOMAINS, domain_of

RUNS = {
    "nightly": "night",
    "make": "make",
    "weakness": "weakness-arm",
}  # flow -> the beginning of the names of its runs


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a night was started with. Equal inputs give an equal run name and an equal seed, whenever the night runs."""

    run: str
    seed: int
    base: Version | None  # the version that the night builds on
    solve: SolveSettings
    against: Decontamination
    remembered: pa.Table  # accepted rows of earlier nights, at most generate.remembered, shown as examples
    material: Material
    gains: dict[str, str]  # subdomain -> better or worse, by the newest verdict
    note: RunNote

    @classmethod
    def gather(cls, config: Nightly, tools: Tools, bars: Bars) -> Inputs:
        """Gather and check what a night needs before its first paid call.

        Raises Finished if this night has published already; ConfigError, UnknownName, VersionNotFound, BenchmarkError or
        SandboxUnavailable for a setting, a version, a file or an isolation that cannot be used.
        """
        for package, names in (
            ("tasks.methods", config.generate.methods),
            ("tasks.scorers", config.score.scorers),
            ("tasks.decontamination.rules", config.decontaminate.rules),
        ):
            for name in names:
                module(package, name)
        solve = _solve_settings(config, tools)
        against = Decontamination.of(config.decontaminate)
        refuse_unknown_kinds(config.gates.min_recall, against.pairs)
        base = latest(tools, config.dataset)
        if base is not None:
            finish(tools, base)
        material = Material.of(config.material, list(config.generate.methods), tools, base)
        # a night is a function of what it builds on: started again before it has published, it is the same night
        seed = seed_of(config.seed, config.dataset, base.digest if base else "")
        settings = config.model_dump(
            mode="json", exclude={"shard_rows", "answers", "budget", "gates", "material"}
        )
        digests = [file_digest(path) for path in (*seed_files(config), probe_file(config)) if path.is_file()]
        gains = _gains(tools, config.dataset)
        overlay = overlaid(tools.settings.overlay())
        given = [config.material.most, material.records()] if material.versions else []
        only_if_any = [
            *([gains] if gains else []),
            *([overlay] if overlay else []),
            *([given] if given else []),
        ]
        name = digest_of(settings, seed, digests, against.benchmarks.digest, *only_if_any)[:12]
        run = f"{RUNS[config.flow]}-{name}"
        asked = [*([overlay] if overlay else []), *([given] if given else [])]
        inputs = digest_of(settings, digests, against.benchmarks.digest, *asked)
        raise_if_published(tools, config.dataset, config.flow, inputs)
        note = RunNote.start(tools.home, run, lambda: forecast_of(config, tools).record(), inputs)
        if note.continues:
            began = datetime.fromtimestamp(note.since).astimezone()
            bars.say(f"Continuing the run of {began:%H:%M}; what it has done is not done again")
        tools.limits = replace(
            limits_for(config, run, note.since, tools.ledger),
            learnt=limits_of_night(tools, roles(config), seed),
        )
        refuse_elsewhere(tools.settings.runner, tools.limits)
        tools.settings.require_models(roles(config))
        for role in (*roles(config), *checkpoints(config)):
            tools.engine(role).check()
        if any("trained_critic" in scorer(name).needs for name in config.score.scorers):
            tools.identity("trained_critic")  # there is one
        if shared := borrowed(config, tools.settings):
            bars.say(shared)
        if unknown := unpriced(roles(config), tools.settings):
            bars.say(unknown)
        if judged := notice(note.forecast):
            bars.say(judged)
        rows = config.generate.remembered
        columns = columns_of(config.generate.methods)
        remembered = tools.store.sample(base, rows, seed, columns) if base else to_table([]).select(columns)
        return cls(run, seed, base, solve, against, remembered, material, gains, note)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def topics_of(config: Nightly) -> list[str]:
    """Return the subdomains to write for. Raises ConfigError if a domain with a least share has none among them."""
    topics = config.generate.subdomains or list(SUBDOMAINS)
    fixed = [topic for name in config.generate.methods for topic in subdomains_of(name)]
    for domain in config.mix.at_least:
        if not any(domain_of(topic) == domain for topic in [*topics, *fixed]):
            raise ConfigError(
                f"setting mix.at_least: generate.subdomains has none of {domain}. Fix: add one of its subdomains"
            )
    return topics


def roles(config: Nightly) -> list[str]:
    """Return the roles that this configuration calls, the teacher first, since others use its address."""
    needed = {"teacher", "reasoner"} | ({"student"} if config.weakness.share else set())
    needed |= {role_of(name) for name in config.generate.methods}
    for name in config.score.scorers:
        needed |= set(scorer(name).needs)
    for name, given in config.select.by.items():
        needed |= set(selector(name).needs(settings_of(name, given)).values())
    if config.decontaminate.ask and config.decontaminate.benchmarks:
        needed.add("critic")
    return [role for role in NIGHT_ROLES if role in needed]


def checkpoints(config: Nightly) -> list[str]:
    """Return the checkpoints that the selectors of this configuration call by their own names, `hf:...`."""
    needed = {
        tool
        for name, given in config.select.by.items()
        for tool in selector(name).needs(settings_of(name, given)).values()
    }
    return sorted(tool for tool in needed if tool.startswith(CHECKPOINT))


def borrowed(config: Nightly, settings: Settings) -> str:
    """Return a line for people if roles that this night calls have no model of their own and use the teacher's; empty
    with the embedded teacher, which costs nothing."""
    paid = [one.model for one, _ in settings.mix("teacher") if not one.model.startswith(EMBEDDED)]
    asked = [role for role in roles(config) if role != "teacher"]
    models = {role: {one.model for one, _ in settings.mix(role)} for role in asked}
    by_model = {model: [role for role in asked if model in models[role]] for model in paid}
    same = {role for others in by_model.values() for role in others}
    if not same:
        return ""
    text = "; ".join(
        f"{model} is the teacher and also the {', the '.join(others)}"
        for model, others in by_model.items()
        if others
    )
    if "critic" in same:
        text += "; it judges its own solutions"
    if "student" in same:
        text += (
            "; it is probed for weaknesses, which is paid like every other call. "
            "Fix: set MATHMILL_STUDENT__MODEL and its BASE_URL, or --set weakness.share=0"
        )
    return text


def unpriced(roles_: Iterable[str], settings: Settings) -> str:
    """Return a line for people for each model among the roles whose price is unknown, each once; empty if there is none."""
    lines: dict[tuple[str, str], str] = {}
    for role in roles_:
        for endpoint, _ in settings.mix(role):
            lines.setdefault((endpoint.model, endpoint.setting("MODEL")), endpoint.unpriced)
    return "\n".join(line for line in lines.values() if line)


def _gains(tools: Tools, dataset: str) -> dict[str, str]:
    """Return subdomain -> better or worse, by the newest verdict on a version of the dataset."""
    verdicts = tools.store.marks(dataset, "verdict")
    return gains_of(verdicts[-1].value) if verdicts else {}


def _solve_settings(config: Nightly, tools: Tools) -> SolveSettings:
    """Return the settings of `solve`, without programs if they cannot be isolated and the configuration allows words only.

    Raises SandboxUnavailable if it does not.
    """
    settings = config.solve
    sandbox = isolation()
    if (settings.pot_share == settings.tir_share == 0 and settings.split == "off") or sandbox.ok:
        return settings
    if config.solve.without_sandbox == "refuse":
        raise SandboxUnavailable(sandbox)
    tools.words_only = True
    return settings.model_copy(update={"pot_share": 0.0, "tir_share": 0.0, "split": "off"})
