"""Runs of the critic flows: labelled files or versions in, a critic and a report out."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from prefect.artifacts import create_markdown_artifact

from flows.config.critic import EvaluateCritic, LabelledInput, TrainCritic
from flows.config.loading import ConfigError
from flows.runner.page_links import version_path, with_link
from flows.runner.resources import Tools
from storage.atomic import write_text
from storage.counting import counted
from storage.datasets.critic_scores import CriticScore
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.sealed_files import HomeFiles
from storage.stage_cache.shards import digest_of
from tasks.critics import SolutionCritic, Unjudged, trained
from tasks.critics.baselines import CHECKER, agreement_shares, step_checker
from tasks.critics.evaluation import NamingPoint, Opinion, opinion_of
from tasks.critics.gain import gain
from tasks.critics.kinds import CriticError, settings_of
from tasks.critics.labelled import Labelled, LabelledSolution, grouped, read, shared, split, without_judged
from tasks.critics.own_solutions import of_versions
from tasks.critics.report import as_words, compared, described, evaluate, to_markdown
from tasks.critics.step_checker import check as check_steps
from tasks.critics.strong import taught_by
from tasks.critics.trained import FOLDER, CriticTraining, TrainedCritic, opened
from tasks.reports.plots import calibration, data_uri, svg
from tasks.review.decisions import decisions

REPORTS = "critic-evaluations"
REPORTED = "report"  # the part of a split that reports on the critic


def check(config: LabelledInput, store: Store) -> tuple[Labelled, list[Version]]:
    """Return what the files hold, and the versions. Raises ConfigError, LabelledError or StorageError for what can be known to fail before
    Prefect is started."""
    if not config.files and not config.versions and not config.golden:
        raise ConfigError(
            "no files of labelled solutions, and no versions. Fix: name some, such as solutions.jsonl or --version math-sft"
        )
    missing = [name for name in (*config.files, *config.samples) if not Path(name).is_file()]
    if missing:
        raise ConfigError(f"there is no file {missing[0]}. Fix: check the path")
    for name in config.golden:
        version = store.resolve(name)
        if not any(one.decided for one in decisions(store.judgements(version.dataset)).values()):
            raise ConfigError(
                f"nobody has judged a row of {version.dataset}. Fix: ./mathmill review {version}, then evaluate again"
            )
    versions = [store.resolve(name) for name in config.versions]
    return read(config.files) if config.files else Labelled([], 0, []), versions


def gathered(
    config: LabelledInput, tools: Tools, log: Callable[[str], None]
) -> tuple[Labelled, list[dict[str, str]]]:
    """Return the labelled solutions of the files and of the versions, with their questions in groups, and the names and digests of both."""
    labelled, versions = check(config, tools.store)
    data = described(config.files)
    data += [one | {"option": "--sample"} for one in described(config.samples)]
    golden = [tools.store.resolve(name) for name in config.golden]
    if not versions and not golden:
        log(_read_in_words(labelled))
        return labelled, data
    data += [
        {"file": str(one), "sha256": one.digest, "option": option}
        for option, read_versions in (("--version", versions), ("--judgements", golden))
        for one in read_versions
    ]
    own = of_versions(tools.store, versions, tools.judge().equal, config.sure)
    log(
        f"versions: {counted(len(own.labelled), 'labelled solution')}; of {len(own.unsure):,} nothing is sure"
    )
    listed = [*labelled.solutions, *own.labelled]
    if golden:
        judged = of_versions(tools.store, golden, tools.judge().equal, config.sure).judged
        log(f"judged by people: {counted(len(judged), 'solution')}")
        if not judged:
            raise CriticError(
                f"no solution in words of {golden[0]} was judged by people. Fix: ./mathmill review {golden[0]}"
            )
        listed = [*judged, *listed]
    if config.teacher:
        engine = tools.engine(config.teacher)
        engine.check()
        opinions = taught_by(engine, listed, own.unsure, tools.judge())
        log(
            f"{config.teacher} was asked {counted(opinions.asked, 'time')}, of which {opinions.failed:,} failed; it labels "
            f"{counted(len(opinions.taught), 'solution')} more and leaves {opinions.unclear:,} unclear"
        )
        listed = [*opinions.labelled, *opinions.taught]
    distinct = {one.id: one for one in reversed(listed)}
    solutions = grouped([distinct[name] for name in sorted(distinct)])
    repeated = labelled.repeated + len(listed) - len(distinct)
    labelled = Labelled(solutions, repeated, labelled.unread)
    log(_read_in_words(labelled))
    return labelled, data


def run_training(config: TrainCritic, tools: Tools, log: Callable[[str], None]) -> str:
    """Train a critic on one part of the questions, report on another, and return the critic's folder.

    Raises CriticError if a question of the report were among those of the training after all.
    """
    settings_of(config.kind, config.own)
    if config.name and (tools.home / FOLDER / config.name).exists():
        raise CriticError(f"there is a critic {config.name} already. Fix: give another name, or delete it")
    labelled, data = gathered(config, tools, log)
    fitting, reporting = split(labelled.solutions, config.report_share, config.seed, REPORTED)
    if config.judged == "hidden":
        fitting, gold = without_judged(fitting)
        reporting += gold
        log(f"kept out of the training, for people judged its question: {counted(len(gold), 'solution')}")
    if shared(fitting, reporting):
        raise CriticError("questions are in the training and in the report. Fix: report this as a defect")
    encoder = config.encoder or tools.settings.encoder
    settings = CriticTraining(
        kind=config.kind,
        own=config.own,
        held_out=config.held_out,
        precision=config.precision,
        planted=config.planted,
        given_up=config.given_up,
        seed=config.seed,
    )
    agreeing = agreement_shares(fitting, tools.judge(), _samples(config))

    def fitted(settings: CriticTraining) -> TrainedCritic:
        return trained.train(
            fitting,
            settings,
            encoder,
            tools.for_critics(asks=True),
            shares={one.id: float(share) for one, share in zip(fitting, agreeing, strict=True)},
            data=data,
            log=log,
        )

    critic = fitted(settings)
    record: dict[str, Any] = {}
    scores: list[tuple[LabelledSolution, float]] = []
    if reporting:
        record, scores = _report(config, "train", labelled, data, reporting, tools, critic, left_out=0)
        if config.planted:
            without = _without_planted(fitted, settings, log) if config.gain else None
            record["gain"] = gain(reporting, critic, without, seed=config.seed)
        critic.record["measures"] = record["measures"]["critics"][0]["measures"]
    folder = tools.home / FOLDER / (config.name or critic.identity.replace(":", "-"))
    if not folder.exists():  # one without a name is named by its digest, and so is the same critic
        critic.save(folder)
    if record:
        _publish(record, tools, config.page)
        _keep_scores(record, scores, tools, log)
    log(f"critic {critic.identity} in {folder}")
    return str(folder)


def run_evaluation(config: EvaluateCritic, tools: Tools, log: Callable[[str], None]) -> str:
    """Let a critic judge labelled solutions, and return the name of the report below <home>/critic-evaluations.

    Solutions of questions that the critic has seen are left out and counted. Raises CriticError if none is left.
    """
    labelled, data = gathered(config, tools, log)
    solutions = labelled.solutions
    critic = opened(config.critic, tools.home, tools.for_critics(asks=True)) if config.critic else None
    beside = [opened(one, tools.home, tools.for_critics(asks=True)) for one in config.beside]
    unseen = solutions
    trained_ones = [one for one in (critic, *beside) if isinstance(one, TrainedCritic)]
    if trained_ones:
        asked = sorted({question for one in trained_ones for question in one.seen()})
        seen = grouped(
            [LabelledSolution(question, ("",), True, language=language) for language, question in asked]
        )
        known = shared(seen, solutions)
        unseen = [one for one in solutions if one.group not in known]
        log(f"left out, because a critic has seen the question: {len(solutions) - len(unseen):,}")
        if not unseen:
            raise CriticError(
                "the critics have seen the questions of all solutions. Fix: evaluate on other questions"
            )
    left_out = len(solutions) - len(unseen)
    record, scores = _report(config, "evaluate", labelled, data, unseen, tools, critic, left_out=left_out)
    if beside:
        record["kinds"] += [_compared(one, unseen, config.seed, log) for one in beside]
    name = _publish(record, tools, config.page)
    _keep_scores(record, scores, tools, log)
    return name


def _compared(
    critic: SolutionCritic, solutions: Sequence[LabelledSolution], seed: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """Return one critic's figures on solutions, with what its training and its judgements cost."""
    started = time.process_time()
    if isinstance(critic, TrainedCritic):
        signals = critic.signals(solutions)
        opinion = critic.of_signals(signals, None)[0]
        failures = signals.failures or [None] * len(solutions)
    else:
        given = critic.judge(solutions)
        opinion, failures = opinion_of(critic.identity, given), [one.failure for one in given]
    seconds = time.process_time() - started
    log(f"{critic.identity} has judged {counted(len(solutions), 'solution')}")
    judged = np.array([one is None for one in failures], bool)
    used = [one for one, use in zip(solutions, judged, strict=True) if use]
    return _judging(critic, used, opinion.take(judged), len(solutions) / max(seconds, 1e-9), seed)


def _judging(
    critic: SolutionCritic | None,
    solutions: Sequence[LabelledSolution],
    opinion: Opinion,
    per_second: float,
    seed: int,
) -> dict[str, Any]:
    """Return the figures of a critic by its opinion on the solutions that it did not fail to judge. `per_second`: solutions per CPU second."""
    trained_by = critic.record if isinstance(critic, TrainedCritic) else {}
    given = trained_by.get("counts", {}).get("training", {}).get("solutions", 0)
    own = trained_by.get("settings", {}).get("own", {})
    defaults = settings_of(trained_by["kind"], {}).model_dump(mode="json") if own else {}
    most = own.get("solutions") or given  # a kind's own budget
    return {
        "identity": critic.identity if critic is not None else CHECKER,
        "solutions": len(solutions),
        "training": min(given, most),
        "settings": {name: value for name, value in own.items() if value != defaults.get(name)},
        "training_seconds": trained_by.get("seconds"),
        "per_second": per_second,
        "measures": compared(solutions, opinion, seed),
    }


def _report(
    config: LabelledInput,
    command: str,
    labelled: Labelled,
    data: Sequence[Mapping[str, str]],
    solutions: Sequence[LabelledSolution],
    tools: Tools,
    critic: SolutionCritic | None,
    left_out: int,
) -> tuple[dict[str, Any], list[tuple[LabelledSolution, float]]]:
    """Return the record of an evaluation, with what the page says about the critic and the data, and what a named critic says of each
    solution. Solutions that it failed to judge are left out, and so are, of the latter, those that it has no opinion on."""
    trained_one = critic if isinstance(critic, TrainedCritic) else None
    failed, failures = 0, list[Unjudged | None]()
    scores: list[tuple[LabelledSolution, float]] = []
    places: npt.NDArray[np.int64] | None = None
    points: list[list[tuple[NamingPoint, Opinion]]] = []
    samples = [*labelled.solutions, *_samples(config)]
    shares = agreement_shares(solutions, tools.judge(), samples)
    started = time.process_time()
    if critic is None:
        checked = [check_steps(one.steps, question=one.question) for one in solutions]
        opinions = [step_checker(solutions, checked)]
    elif trained_one is not None:
        signals = trained_one.signals(solutions)
        read_shares = shares if not np.isnan(shares).all() else None
        opinions = trained_one.of_signals(signals, read_shares)
        failures, places = signals.failures or [], signals.places
        points = trained_one.operating_points(signals, read_shares)
        judged_of = zip(solutions, opinions[0].right, failures or [None] * len(solutions), strict=True)
        scores = [(one, float(right)) for one, right, failure in judged_of if failure is None]
    else:
        given = critic.judge(solutions)
        scores = [
            (one, opinion.answer)
            for one, opinion in zip(solutions, given, strict=True)
            if opinion.answer is not None
        ]
        opinions = [opinion_of(critic.identity, given)]
        failures = [one.failure for one in given]
    per_second = len(solutions) / max(time.process_time() - started, 1e-9)
    if any(failures):
        judged = np.array([failure is None for failure in failures], bool)
        failed = int((~judged).sum())
        if failed == len(judged):
            raise CriticError(
                f"no solution was judged ({failures[0].error if failures[0] else ''}). Fix: ./mathmill doctor"
            )
        solutions = [one for one, use in zip(solutions, judged, strict=True) if use]
        shares, opinions = shares[judged], [one.take(judged) for one in opinions]
        places = None if places is None else places[judged]
        points = [[(point, one.take(judged)) for point, one in listed] for listed in points]
    measures = evaluate(
        solutions,
        opinions[0],
        shares=shares,
        beside=opinions[1:],
        precise=trained_one.precise if trained_one is not None else None,
        places=places,
        points=points,
        seed=config.seed,
    )
    counts = trained_one.record["counts"] if trained_one is not None else {}
    nothing = {"solutions": 0}
    identity = critic.identity if critic is not None else CHECKER
    record = {
        "config": config.model_dump(mode="json"),
        "command": _command(command, config),
        "data": list(data),
        "unread": labelled.unread,
        "repeated": labelled.repeated,
        "left_out": left_out,
        "failed": failed,
        "versions": [*config.golden, *config.versions],
        "critic": {
            "identity": identity,
            "training": counts.get("training", nothing),
            "calibrating": counts.get("calibrating", nothing),
            "precision": trained_one.record["settings"]["precision"] if trained_one is not None else 0.0,
        },
        "measures": measures,
    }
    if command == "evaluate" and trained_one is not None:
        record["trained"] = _trained_by(trained_one)
    name = f"{identity.replace(':', '-').replace(' ', '-')}-{digest_of(record)[:8]}"
    record |= {"name": name}
    if isinstance(config, EvaluateCritic) and config.beside:  # times vary, so they are no part of the name
        record["kinds"] = [_judging(critic, solutions, opinions[0], per_second, config.seed)]
    return record, scores


def _keep_scores(
    record: Mapping[str, Any],
    scores: Sequence[tuple[LabelledSolution, float]],
    tools: Tools,
    log: Callable[[str], None],
) -> None:
    """Store what the critic said of the rows of versions, where the page reads it: its lists of wrong answers that a critic liked."""
    by_dataset: dict[str, list[CriticScore]] = {}
    for one, score in scores:
        if one.row:
            kept = CriticScore(one.row, str(record["critic"]["identity"]), score)
            by_dataset.setdefault(one.source, []).append(kept)
    for name in record["versions"]:
        version = tools.store.resolve(name)
        listed = by_dataset.pop(version.dataset, [])
        if listed:
            tools.store.keep_critic_scores(version, listed)
            log(f"scores of {counted(len(listed), 'row')} of {version} are in the page")


def _without_planted(
    fitted: Callable[[CriticTraining], TrainedCritic], settings: CriticTraining, log: Callable[[str], None]
) -> TrainedCritic | None:
    """Return the same critic without planted errors, None where there are too few wrong solutions without them."""
    log("the same critic without planted errors")
    try:
        return fitted(replace(settings, planted=0.0))
    except CriticError as error:
        log(f"without planted errors there is no critic to compare with: {error}")
        return None


def _samples(config: LabelledInput) -> list[LabelledSolution]:
    return read(config.samples).solutions if config.samples else []


def _publish(record: dict[str, Any], tools: Tools, page: str) -> str:
    """Write the report and its plot below the home, as an artifact and, if it is named, to `page`. The record is written last."""
    name, files = record["name"], HomeFiles(tools.home)
    folder = tools.home / REPORTS / name
    bins = [(one["probability"], one["right"], one["count"]) for one in record["measures"]["reliability"]]
    figure = calibration(bins)
    files.write(folder / "reliability.svg", svg(figure).encode())
    files.write(folder / "report.md", to_markdown(record, "reliability.svg").encode())
    if page:
        write_text(Path(page), to_markdown(record))
    create_markdown_artifact(
        key="critic",
        markdown=with_link(to_markdown(record, data_uri(figure)), tools.settings, *_in_the_page(record)),
        description="Critic",
    )
    files.write(folder / "record.json", orjson.dumps(record, option=orjson.OPT_INDENT_2))
    return str(name)


def _in_the_page(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the path in the page, and the words of the link, of the first version that was judged; else of the datasets."""
    named = record["versions"]
    if not named:
        return "/", "The datasets, in the page"
    stored = {one["file"] for one in record["data"]}
    version = next(
        (name for name in sorted(stored) if name.startswith(named[0].partition("@")[0] + "@")), named[0]
    )
    return version_path(version, "rows") + "?wrong=yes", "Wrong answers of the version, in the page"


def _read_in_words(labelled: Labelled) -> str:
    used = counted(len(labelled.solutions), "labelled solution")
    first = (
        f" ({'the first of them: ' if len(labelled.unread) > 1 else ''}{labelled.unread[0]})"
        if labelled.unread
        else ""
    )
    return (
        f"{used}, {labelled.repeated:,} repeated, {counted(len(labelled.unread), 'record')} not usable{first}"
    )


def _trained_by(critic: TrainedCritic) -> str:
    """Return the command that trains a critic, with the files by their names; settings that are the usual ones are left out."""
    settings, usual = critic.record["settings"], CriticTraining()
    words = ["./mathmill", "critic", "train", *as_words(critic.record["data"])]
    words += ["--set", f"kind={critic.record['kind']}"] if critic.record["kind"] != usual.kind else []
    for key in ("held_out", "precision", "planted", "given_up", "seed"):
        words += ["--set", f"{key}={settings[key]}"] if settings[key] != getattr(usual, key) else []
    own = settings_of(critic.record["kind"], settings["own"]).model_dump(mode="json", exclude_defaults=True)
    words += ["--set", f"own={own}"] if own else []
    return " ".join(map(shlex.quote, words))


def _command(name: str, config: LabelledInput) -> str:
    """Return the command that does the same, with the files by their names."""
    words = ["./mathmill", "critic", name, *(Path(file).name for file in config.files)]
    for key, value in config.model_dump(mode="json", exclude_defaults=True).items():
        if key == "samples":
            words += [part for file in value for part in ("--sample", Path(file).name)]
        elif key == "versions":
            words += [part for name in value for part in ("--version", name)]
        elif key == "critic":
            words += ["--critic", Path(value).name]
        elif key == "beside":
            words += [part for name in value for part in ("--beside", Path(name).name)]
        elif key == "page":
            words += ["--page", str(value)]
        elif key != "files":
            words += ["--set", f"{key}={value}"]
    return " ".join(map(shlex.quote, words))
