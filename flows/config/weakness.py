"""The configuration of the flow weakness, and that of the nights that it runs for its arms."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from flows.config.nightly import Nightly, VotingSettings
from flows.config.sections import BudgetSettings, GateSettings
from tasks.dedup.settings import SimilaritySettings
from tasks.llm.model_files import short_name
from tasks.plugins import checked
from tasks.settings import Folded, Section, Share, one_of
from tasks.stages.decontaminate import DecontaminateSettings
from tasks.stages.mix import MixSettings
from tasks.stages.retrieve import WeaknessSettings
from tasks.stages.score import ScorerNames, ScoreSettings
from tasks.stages.solve import SolveSettings
from tasks.weakness.clusters import CUT, LEAST

# arm -> the method that writes it; "" for an arm of published rows
ARMS = {
    "math-retrieval": "",
    "retrieval-augmented": "similar",
    "weakness-augmented": "weakness",
    "skills": "missing_skills",
    "random": "",
    "random-augmented": "similar",
    "random-cost": "similar",
}
EQUAL_COST = (
    "random-cost"  # uses as many tokens as the dearest of the written arms, and has the rows that these give
)
# arm at random -> the arm whose number of rows it has, "" if it has another number
RANDOM = {
    "random": "math-retrieval",
    "random-augmented": "retrieval-augmented",
    EQUAL_COST: "",
}


class AnsweredTwice(SolveSettings, title="Solve"):
    samples: int = Field(2, ge=2, le=64, description="solutions of each question, which must agree")
    canaries: int = Field(
        0, ge=0, le=50, description="questions with a known answer hidden in each shard; 0: none"
    )


class ArmScoreSettings(ScoreSettings, title="Score"):
    scorers: ScorerNames = Field(["heuristics"], description="files of tasks/scorers/ that judge each row")


class ArmGateSettings(GateSettings, title="Gates"):
    share_at_limit: Share = Field(
        0.0, description="share of the rows that must be accepted to publish when a limit ends an arm"
    )
    drift: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="as in a night; null: the few rows of an arm are not compared with earlier ones",
    )


class Weakness(Section):
    """Which student is asked what, where neighbours are looked for, which arms are published, and what decides how much each
    weakness gets."""

    model: str = Field("student", description="the student: a role, or hf:FOLDER of a checkpoint")
    probe: list[str] = Field(
        [], description="files of probe items, or folders of such files; empty: the project's own"
    )
    measures: Share = Field(
        0.5,
        description="share of the probe that measures and drives nothing, by a hash of the question; no row of an arm may hold one of its items",
    )
    dataset: str = Field(
        "weakness",
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        description="beginning of the names of the arms' datasets, such as weakness-skills",
    )
    pool: list[str] = Field(
        [],
        description="datasets or versions whose questions may be neighbours; empty: the newest version of every dataset but those that "
        "rft and weakness have made of others, as their lineage says",
    )
    arms: list[str] = Field(
        list(ARMS),
        description=f"arms to publish: {', '.join(ARMS)}",
        json_schema_extra=one_of(lambda: ARMS),
    )
    rows: int = Field(200, ge=1, le=1_000_000, description="rows of each arm")
    neighbours: int = Field(20, ge=1, le=1000, description="nearest questions per failure")
    floor: float = Field(0.5, ge=-1, le=1, description="least cosine of a failure and its neighbour")
    same_skill: bool = Field(True, description="leave out neighbours that are known to need another skill")
    search: Folded[WeaknessSettings] = Field(
        WeaknessSettings(),
        description="how neighbours are searched in large versions; its share and its probe are not read",
    )
    cut: float = Field(CUT, gt=0, le=1, description="distance within a subdomain at which clusters are cut")
    least: int = Field(LEAST, ge=1, description="failures of a cluster; smaller ones join the nearest")
    quotas: Literal["failures", "gain"] = Field(
        "failures",
        description="what decides the rows of a cluster: its failures; or measured gain per cost, as verdicts on earlier arms show it",
    )
    row_usd: float = Field(
        0.001,
        gt=0,
        description="cost of a row beside what was paid for its calls, in USD: training on it is not free",
    )
    max_tokens: int = Field(0, ge=0, description="cap of an answer of the student; 0: as the prompt says")
    per_call: int = Field(5, ge=1, le=50, description="questions requested per call")
    examples: int = Field(3, ge=0, le=20, description="neighbours shown per call")
    waves: int = Field(3, ge=1, le=50, description="rounds of writing at most, until an arm has its rows")
    solve: Folded[AnsweredTwice] = Field(AnsweredTwice(), description="solutions of each written question")
    score: Folded[ArmScoreSettings] = Field(
        ArmScoreSettings(), description="scorers, and the least scores of a kept row"
    )
    near: bool = Field(
        True,
        description="drop near-duplicates among rows of the pool that an arm takes; false: repeated rows alone",
    )
    similarity: Folded[SimilaritySettings] = Field(
        SimilaritySettings(), description="when two questions are too similar to keep both"
    )
    decontaminate: Folded[DecontaminateSettings] = Field(
        DecontaminateSettings(),
        description="further benchmarks that no row may come from, and the rules, which look for the measuring part of the probe too",
    )
    gates: Folded[ArmGateSettings] = Field(
        ArmGateSettings(), description="what the rows must be like to be published"
    )
    answers: Literal["online", "batch", "files", "offline"] = Field(
        "online", description="as for a night; offline: from the ledger only"
    )
    budget: Folded[BudgetSettings] = Field(
        BudgetSettings(),
        description="most USD and tokens: of the student's answers and of measuring the rules of decontamination, and, in equal parts of what is left, of the arms that ask the teacher, so that these cost the same; and the deadline",
    )
    seed: int = Field(0, description="same seed, same student, same pool, same arms")
    shard_rows: int = Field(256, ge=1, le=100_000, description="questions per task run")
    dry_run: bool = Field(
        False,
        description="only show the failures, clusters, neighbours and quotas; publish nothing and ask no teacher",
    )

    @field_validator("arms")
    @classmethod
    def _arms(cls, given: list[str]) -> list[str]:
        checked("arm", given, ARMS)
        return given

    def name_of(self, arm: str) -> str:
        """Return the dataset of an arm."""
        return f"{self.dataset}-{arm}"

    def decides(self) -> dict[str, Any]:
        """Return the settings on which the failures, clusters and neighbours depend."""
        left_out = {"shard_rows", "answers", "budget", "gates", "dry_run", "arms", "probe", "pool"}
        return self.model_dump(mode="json", exclude=left_out)

    def writes(self) -> list[str]:
        """Return the arms that ask the teacher."""
        return [arm for arm in self.arms if ARMS[arm]]

    def part_of_budget(self, usd: float = 0.0, tokens: int = 0) -> BudgetSettings:
        """Return what each arm that asks the teacher may cost: equal parts of what is left of the budget after `usd` and `tokens` are
        spent. A part of which nothing is left ends the arm before its first call."""
        shared, parts = self.budget, max(len(self.writes()), 1)
        return shared.model_copy(
            update={
                "usd": None if shared.usd is None else max(shared.usd - usd, 1e-9) / parts,
                "tokens": None if shared.tokens is None else max((shared.tokens - tokens) // parts, 1),
            }
        )

    @property
    def shown_model(self) -> str:
        """The model as the name of the run shows it."""
        return short_name(self.model)


class ArmNight(Nightly):
    """The night that writes an arm. material: digest of its failures and their neighbours."""

    flow: ClassVar[str] = "weakness"

    arm: str = Field("", description="the arm")
    drawn_from: str = Field("", description="digest of the failures and neighbours")
    tokens: int = Field(0, ge=0, description="tokens that the arm uses; 0: those that its rows need")

    @classmethod
    def of(
        cls,
        config: Weakness,
        arm: str,
        target: int,
        held_out: str,
        drawn_from: str,
        *,
        tokens: int = 0,
        budget: BudgetSettings | None = None,
    ) -> ArmNight:
        """Return the night of an arm. held_out: file with the measuring part of the probe. tokens: what it uses, 0 for what its rows
        need; then it has further waves, to come near that number. budget: what it may cost; None: its part of the whole."""
        budget = budget or config.part_of_budget()
        night = cls()
        return night.model_copy(
            update={
                "dataset": config.name_of(arm),
                "target": target,
                "arm": arm,
                "drawn_from": drawn_from,
                "tokens": tokens,
                "answers": config.answers,
                "budget": budget,
                "generate": night.generate.model_copy(
                    update={
                        "methods": {ARMS[arm]: 1.0},
                        "per_call": config.per_call,
                        "examples": config.examples,
                        "waves": config.waves + 2 * bool(tokens),
                    }
                ),
                "solve": config.solve,
                "verify": VotingSettings(min_correctness=0.0, min_agreement=config.solve.samples, known=0.0),
                "score": config.score,
                "similarity": config.similarity,
                "decontaminate": measured_by(config, held_out),
                "weakness": WeaknessSettings(share=0.0),
                "mix": MixSettings(per_problem=1, shares={}),
                "gates": config.gates,
                "seed": config.seed,
                "shard_rows": config.shard_rows,
            }
        )


def measured_by(config: Weakness, held_out: str) -> DecontaminateSettings:
    """Return the settings of decontamination with the measuring part of the probe among the benchmarks."""
    given = config.decontaminate
    return given.model_copy(update={"benchmarks": [*given.benchmarks, *([held_out] if held_out else [])]})
