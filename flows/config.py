"""What a night should do: the form that the Prefect UI shows, the file that `--config` reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storage.errors import ForPeople
from storage.indexes.index import IndexSettings
from tasks.decontamination.matching import SHARED
from tasks.decontamination.rules import RULES
from tasks.dedup.settings import DedupSettings
from tasks.plugins import checked, names, scores_of
from tasks.points_in_time import moment
from tasks.settings_form import Folded
from tasks.stages.mix import COLUMNS, MixSettings
from tasks.stages.solve import SolveSettings
from tasks.stages.verify import VerifySettings
from tasks.stages.weigh import WeighSettings
from tasks.taxonomy import DOMAINS, SUBDOMAINS

S = TypeVar("S", bound=BaseModel)
Share = Annotated[float, Field(ge=0, le=1)]


class ConfigError(ForPeople, ValueError):
    """A configuration that cannot be used; the message names the file or the key and the mend."""


LANGUAGES = ("en", "zh")  # that the prompts are written in
FORMATS = ("cot", "pot")  # values of the column solution_format


def checked_scorers(given: list[str]) -> list[str]:
    """The names, if each is a file of tasks/scorers/; ValueError otherwise."""
    checked("scorer", given, names("tasks.scorers"))
    return given


def checked_thresholds(given: dict[str, float]) -> dict[str, float]:
    """The thresholds, if each is of a score that some scorer gives; ValueError otherwise."""
    checked("score", given, scores_of("tasks.scorers"))
    return given


def checked_rules(given: list[str]) -> list[str]:
    """The names, if each is a file of tasks/decontamination/rules/; ValueError otherwise."""
    checked("rule", given, names("tasks.decontamination.rules"))
    return given


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Seeds(Section):
    files: list[str] = Field(
        [],
        description="JSONL, JSONL.gz, Parquet or CSV files of seed problems, used beside those of the project",
    )
    own: bool = Field(True, description="also use the project's own seed problems; false: the files alone")
    distill: bool = Field(False, description="also solve the seed questions themselves")
    license: str = Field("unknown", description="licence of seed files that state none")


class Generate(Section):
    methods: dict[str, float] = Field(
        {"self_instruct": 1.0}, description="files of tasks/methods/ and their weights"
    )
    languages: dict[str, Share] = Field(
        {"en": 0.75, "zh": 0.25}, description="share of the questions by language"
    )
    subdomains: list[str] = Field([], description="subdomains to write for; empty: all of them")
    per_call: int = Field(5, ge=1, le=50, description="questions asked for in one call")
    examples: int = Field(3, ge=0, le=20, description="examples shown in one call")
    remembered: int = Field(
        2_000, ge=0, description="rows of the last version, at most, that may be shown as examples"
    )
    waves: int = Field(4, ge=1, le=50, description="rounds of generation at most, until the target is met")

    @field_validator("languages")
    @classmethod
    def _languages(cls, shares: dict[str, float]) -> dict[str, float]:
        checked("language", shares, LANGUAGES)
        if not sum(shares.values()) > 0:
            raise ValueError("one of the shares of languages at least is above 0")
        return shares

    @field_validator("subdomains")
    @classmethod
    def _known(cls, given: list[str]) -> list[str]:
        checked("subdomain", given, SUBDOMAINS)
        return given

    @field_validator("methods")
    @classmethod
    def _methods(cls, weights: dict[str, float]) -> dict[str, float]:
        checked("method", weights, names("tasks.methods"))
        if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
            raise ValueError("weights of methods are 0 or more, and one at least is above 0")
        return weights


class Similarity(Section):
    rouge_l: Share = Field(
        0.7, description="a question whose ROUGE-L with a kept one is above this is dropped"
    )
    jaccard: Share = Field(0.7, description="the same for the Jaccard similarity of word 3-grams")
    per_template: int = Field(
        50, ge=1, description="questions of one template (numbers masked) at most; 1: no two of a template"
    )
    semantic: Literal["flag", "drop", "ignore"] = Field(
        "flag", description="what happens to a question that says what another says in other words"
    )
    cosine: Share = Field(0.85, description="cosine of their encodings from which two questions say the same")
    guard: Literal["template", "numbers", "none"] = Field(
        "template",
        description="pairs that are not compared: of one template with other numbers; with other numbers; none (self-instruct's filter)",
    )
    opposites: bool = Field(
        True, description="similar questions that differ by an operator, a sign or an opposite are kept"
    )
    shared: Share = Field(
        0.05,
        description="share of the questions from which text that they have in common is not compared; 0: all is",
    )

    def settings(self) -> DedupSettings:
        return DedupSettings(
            guard=self.guard,
            opposites=self.opposites,
            shared=self.shared,
            jaccard=self.jaccard,
            rouge_l=self.rouge_l,
            per_template=self.per_template,
            semantic=self.semantic,
            cosine=self.cosine,
        )


class Solve(Section):
    samples: int = Field(4, ge=1, le=64, description="solutions of each question")
    pot_share: Share = Field(0.5, description="share of them that are programs")
    without_sandbox: Literal["refuse", "words only"] = Field(
        "refuse", description="what to do where programs cannot be isolated"
    )

    def settings(self) -> SolveSettings:
        return SolveSettings(samples=self.samples, pot_share=self.pot_share)


class Verify(Section):
    min_correctness: Share = Field(0.7, description="least probability of being right of a kept row")
    min_agreement: int = Field(
        2, ge=1, description="independent samples that must agree without a trusted answer"
    )
    sure: float = Field(
        0.95, ge=0.5, le=1, description="a row whose votes are this sure needs no critic; 1: all rows do"
    )
    known: Share = Field(
        0.1, description="questions with a known answer solved to calibrate the votes, a share of the target"
    )

    def settings(self, *, blind: bool = False) -> VerifySettings:
        """`blind`: trusted answers are compared, and neither vote nor reject."""
        return VerifySettings(sure=self.sure, blind=blind)

    def decision(self, agree: int = 1) -> WeighSettings:
        """`agree`: samples that must agree at least, whatever is configured."""
        return WeighSettings(self.min_correctness, max(agree, self.min_agreement))


class Score(Section):
    scorers: list[str] = Field(["heuristics", "critique"], description="files of tasks/scorers/")
    thresholds: dict[str, Share] = Field(
        {"heuristics": 0.5, "instruction": 0.5, "answer": 0.6}, description="least score of a kept row"
    )

    @field_validator("scorers")
    @classmethod
    def _scorers(cls, given: list[str]) -> list[str]:
        return checked_scorers(given)

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, given: dict[str, float]) -> dict[str, float]:
        return checked_thresholds(given)


class Decontaminate(Section):
    benchmarks: list[str] = Field(
        [], description="files of benchmark items, or folders of them, that no row may come from"
    )
    rules: list[str] = Field(list(RULES), description="files of tasks/decontamination/rules/")

    @field_validator("rules")
    @classmethod
    def _rules(cls, given: list[str]) -> list[str]:
        return checked_rules(given)

    ask: bool = Field(True, description="let the critic decide about near ones that no rule is sure of")
    shared: Share = Field(
        SHARED,
        description="share of a benchmark's items, or of the rows, from which text that they have in common is not compared; 0: all is",
    )
    planted: int = Field(
        100, ge=0, description="leaks planted a kind, to measure what the rules find; 0: none"
    )
    pairs: list[str] = Field(
        [], description="files of known paraphrases and translations of items (item, text, kind)"
    )
    clean: list[str] = Field(
        [], description="files of questions known to be in no benchmark; empty: the project's own"
    )


class Weakness(Section):
    share: Share = Field(
        0.2, description="share of the target that is written for the student's failures; 0: off"
    )
    probe: str | None = Field(None, description="file of probe problems; empty: the project's own")
    neighbours: int = Field(20, ge=1, le=1000, description="nearest questions a failure")
    flat_up_to: int = Field(
        300_000, ge=0, description="published questions up to which the search for them is exact"
    )
    beyond: Literal["ivf", "hnsw"] = Field("ivf", description="the FAISS index that takes over from there")
    recall: Share = Field(0.95, description="share of the exact neighbours that it must find")

    def index(self) -> IndexSettings:
        return IndexSettings(self.flat_up_to, self.beyond, self.recall, at=self.neighbours)


class Mix(Section):
    per_problem: int = Field(2, ge=1, description="solutions of one question at most")
    boost: float = Field(3.0, ge=1, description="how much likelier a row near a failure is taken")
    shares: dict[str, dict[str, Share]] = Field(
        {"format": {"cot": 0.6, "pot": 0.6}},
        description="largest share of a value of source, domain, format or language",
    )
    at_least: dict[str, Share] = Field({}, description="least share of a domain")

    @field_validator("shares")
    @classmethod
    def _dimensions(cls, shares: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        checked("dimension", shares, COLUMNS)
        checked("format", shares.get("format", {}), FORMATS)
        checked("domain", shares.get("domain", {}), DOMAINS)
        return shares

    @field_validator("at_least")
    @classmethod
    def _domains(cls, shares: dict[str, float]) -> dict[str, float]:
        checked("domain", shares, DOMAINS)
        if sum(shares.values()) > 1 + 1e-9:
            raise ValueError(f"the least shares add up to {sum(shares.values()):g}, which is more than 1")
        return shares

    def settings(self, target: int) -> MixSettings:
        return MixSettings(target, self.per_problem, self.shares, self.boost, self.at_least)


class Budget(Section):
    """At a cap nothing new is sent and what is in flight lands; the same night run again goes on from there."""

    usd: float | None = Field(None, gt=0, description="most that the run may pay, in USD")
    tokens: int | None = Field(None, gt=0, description="most tokens, prompt and completion together")
    deadline: str | None = Field(
        None, description="when no more calls are sent: 06:30, 90m, 1h30m, 2026-11-22T06:00"
    )

    @field_validator("deadline")
    @classmethod
    def _time(cls, text: str | None) -> str | None:
        if text is not None:
            moment(text, datetime.now().astimezone())
        return text


class Gates(Section):
    """What the rows must be like; what is left empty is not asked for."""

    min_rows: int = Field(1, ge=0, description="new rows that a version must have to be published")
    share_at_limit: Share = Field(
        1.0, description="share of the target that must be accepted to publish when a limit ends the night"
    )
    min_recall: dict[str, Share] = Field(
        {"verbatim": 0.99, "re-wrapped": 0.99},
        description="least share of the leaks planted so that decontamination must find",
    )
    correctness: Share | None = Field(None, description="least mean probability of being right")
    critic: Share | None = Field(None, description="least mean of the critic's score of the solution")
    duplicates: Share | None = Field(None, description="largest share of rows that repeat another one")
    licenses: list[str] = Field([], description="licences that rows may have; empty: any")
    clean: bool = Field(False, description="every row was looked at for benchmark items")
    drift: float | None = Field(
        0.01,
        gt=0,
        lt=1,
        description="chance of a false alarm per night of the comparison with earlier nights (acceptance, agreement, critic, "
        "length of solutions); a shift publishes nothing. null: not compared",
    )
    verdict: bool = Field(False, description="at promotion: a student trained on it did better")


class Nightly(Section):
    """One night: what to write, how to judge it, what to publish. A group that is left out or null keeps its defaults."""

    dataset: str = Field(
        "math-sft", pattern=r"^[a-z0-9][a-z0-9._-]*$", description="dataset that gets a new version"
    )
    target: int = Field(500, ge=1, le=10_000_000, description="accepted rows wanted")
    answers: Literal["online", "batch", "files", "offline"] = Field(
        "online",
        description="asked for at once; through the Batch API at half the price; batch files that you have "
        "answered; or offline: the ledger only",
    )
    seeds: Folded[Seeds] = Field(Seeds(), description="files of seed problems, and their licence")
    budget: Folded[Budget] = Field(Budget(), description="most USD and tokens, and the deadline")
    generate: Folded[Generate] = Field(
        Generate(), description="methods, languages and subdomains of the questions; rounds of generation"
    )
    solve: Folded[Solve] = Field(Solve(), description="solutions of each question, and the share of programs")
    verify: Folded[Verify] = Field(Verify(), description="agreement and certainty that a solution needs")
    score: Folded[Score] = Field(Score(), description="scorers, and the least scores of a kept row")
    similarity: Folded[Similarity] = Field(
        Similarity(), description="when two questions are too similar to keep both"
    )
    decontaminate: Folded[Decontaminate] = Field(
        Decontaminate(), description="benchmarks that no row may come from, and the rules that find them"
    )
    weakness: Folded[Weakness] = Field(
        Weakness(), description="share of the target for the student's failures, and how those are found"
    )
    mix: Folded[Mix] = Field(Mix(), description="solutions per question, and shares of formats and domains")
    gates: Folded[Gates] = Field(Gates(), description="what the rows must be like to be published")
    seed: int = Field(0, description="same seed, same inputs, same rows")
    shard_rows: int = Field(256, ge=1, le=100_000, description="questions a task run")


def load_config(file: Path | None, sets: list[str], **overrides: Any) -> Nightly:
    """A night's configuration; see load_as."""
    return load_as(Nightly, file, sets, **overrides)


def load_as(kind: type[S], file: Path | None, sets: list[str], **overrides: Any) -> S:
    """A flow's configuration: defaults, then the YAML file, then each KEY=VALUE (dotted keys, YAML values),
    then the overrides that are not None. ConfigError names what does not fit."""
    data: dict[str, Any] = {}
    if file is not None:
        try:
            data = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise ConfigError(f"--config {file}: {error.strerror}. Fix: check the path") from error
        except RecursionError as error:
            raise ConfigError(
                f"{file}: nested too deeply. Fix: write the settings one below the other"
            ) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"--config {file}{_place(error)}. Fix: one `name: value` a line") from error
        if not isinstance(data, dict):
            raise ConfigError(f"--config {file}: must be a YAML mapping of settings, such as `target: 1000`")
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {item}: must be KEY=VALUE, such as solve.samples=8")
        try:
            _put(data, key.split("."), yaml.safe_load(value), item)
        except RecursionError as error:
            raise ConfigError(f"--set {key}: nested too deeply. Fix: give a plain value") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {item}{_place(error)}. Fix: close its brackets and quotes") from error
    for key, value in overrides.items():
        if value not in (None, []):
            _put(data, key.split("__"), value, key)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, _settings(kind), 1)
            what = f"there is no such setting{f'; {near[0]} is one' if near else ''}"
        raise ConfigError(
            f"setting {where}: {what} (all: ./mathmill {kind.__name__.lower()} --show-config)"
        ) from error


def _settings(kind: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{before}{name}.")


def _place(error: Exception) -> str:
    mark, said = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "it is no YAML"
    return f", line {mark.line + 1}, column {mark.column + 1}: {said}" if mark else f": {said}"


def as_yaml(config: BaseModel) -> str:
    """The configuration as a file that `--config` reads."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _put(data: dict[str, Any], path: list[str], value: Any, item: str) -> None:
    for part in path[:-1]:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{item}: {part} is no group of settings")
    data[path[-1]] = value
