"""Each training method end to end on tiny data: the checkpoint has learned, and missing inputs raise errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import prompts
from flows.train import name_of
from prompts.schemas.critique import Assessment
from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import WRONG_STEP, Row, to_table
from tasks.answers import Judge
from tasks.plugins import names
from tasks.replies.items import critique
from tasks.solution_paths import calculation
from tasks.training import reward
from tasks.training.config import METHODS, Train, TrainError
from tasks.training.curves import points
from tasks.training.judgements import write
from tasks.training.models import tokenizer_of
from tasks.training.packed import export_packed
from tasks.training.recipes import HERE, path_of
from tasks.training.rejection import distinct
from tasks.training.reward import RewardModel, Verifier
from tasks.training.run import Trained, replaced_prompts, train
from tasks.worth import Worth

from .conftest import DATASET, sums
from .failing import FailingJudge, Faults


@pytest.fixture
def judged(store: Store) -> Store:
    """Return the store with a wrong solution to every question among its candidates."""
    wrong = [
        Row(
            question=row.question,
            language="en",
            solution=row.solution.replace("boxed{", "boxed{9"),
            solution_format="cot",
            answer=f"9{row.answer}",
            reference_answer=row.answer,
            verdicts={"equivalent": "different"},
            reason=reason("verify", Code.DIFFERENT, answer=f"9{row.answer}", reference=row.answer),
        )
        for row in sums(60)
        if row.solution
    ]
    store.append_candidates(to_table(wrong), run="night", version=store.resolve(DATASET), stage="verify")
    return store


def run(method: str, store: Store, out: Path, tiny: Callable[..., Train], **settings: object) -> Trained:
    trained = train(tiny(method=method, **settings), store, out / method)
    assert (trained.checkpoint / "model.safetensors").exists()
    return trained


def test_every_method_has_a_test() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [method for method in names(METHODS) if method != "sft" and f'"{method}"' not in text] == []


def test_pretraining_learns_questions_too(store: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    trained = run("cpt", store, tmp_path, tiny)
    assert (
        trained.metrics["epoch_learned_tokens"]
        == trained.metrics["epoch_tokens"] - trained.metrics["epoch_rows"]
    )


@pytest.mark.slow
def test_pretraining_on_packed_blocks_learns_the_tokens_that_it_would_have_made(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], student: Path
) -> None:
    version = store.resolve(DATASET)
    export_packed(store, version, tmp_path / "packed", tokenizer_of(str(student)), length=128)
    trained = run("cpt", store, tmp_path, tiny, packed=str(tmp_path / "packed"))
    direct = run("cpt", store, tmp_path / "direct", tiny)
    for name in ("epoch_rows", "epoch_tokens", "epoch_learned_tokens", "steps"):
        assert trained.metrics[name] == direct.metrics[name]
    assert points(tmp_path / "cpt")[-1]["loss"] < points(tmp_path / "cpt")[0]["loss"]
    assert trained.lineage["stages"][0]["data"][0]["version"] == str(version)


@pytest.mark.slow
def test_selective_pretraining_learns_part_of_the_tokens(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], student: Path
) -> None:
    """The reference is the base itself, so no loss exceeds it and the tokens are chosen arbitrarily."""
    settings = {"reference": str(student), "keep_tokens": 0.25, "micro_batch": 4}
    trained = run("cpt", store, tmp_path, tiny, **settings)
    run("cpt", store, tmp_path / "all", tiny, micro_batch=4)
    first = points(tmp_path / "cpt")[0]["loss"]
    assert first == pytest.approx(points(tmp_path / "all" / "cpt")[0]["loss"], rel=0.05)
    assert points(tmp_path / "cpt")[-1]["loss"] < first
    assert trained.metrics["steps"] == 4


@pytest.mark.slow
def test_the_metrics_are_those_of_the_last_step(
    judged: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    """Also where fewer steps are logged than there are."""
    trained = run("dpo", judged, tmp_path, tiny, steps=3, log_every=10)
    last = points(tmp_path / "dpo")[-1]
    assert last["step"] == 3
    assert trained.metrics["loss"] == last["loss"]


@pytest.mark.slow
def test_preferences_part_right_from_wrong(judged: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    trained = run("dpo", judged, tmp_path, tiny, steps=8)
    curve = points(tmp_path / "dpo")
    assert curve[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # log 2: nothing preferred yet
    assert curve[-1]["loss"] < 0.68
    AutoModelForCausalLM.from_pretrained(trained.checkpoint)


@pytest.mark.slow
@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("checkpointing", [False, True])
def test_preferences_are_learned_without_warnings_about_old_names(
    judged: Store, tmp_path: Path, tiny: Callable[..., Train], checkpointing: bool
) -> None:
    assert run("dpo", judged, tmp_path, tiny, steps=2, checkpointing=checkpointing).metrics["steps"] == 2


@pytest.mark.slow
def test_a_reward_model_scores_and_rewards(judged: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    trained = run("reward", judged, tmp_path, tiny, steps=8)
    model = RewardModel(str(trained.checkpoint))
    rows = [row for row in sums(10) if row.solution]
    asked = [[{"role": "user", "content": row.question}] for row in rows]
    right = model.rewards(asked, [row.solution or "" for row in rows])
    wrong = model.rewards(asked, [(row.solution or "").replace("boxed{", "boxed{9") for row in rows])
    assert sum(a > b for a, b in zip(right, wrong, strict=True)) >= 8
    rollout = {"samples": 2, "max_new_tokens": 4, "reward": str(trained.checkpoint)}
    run("ppo", judged, tmp_path, tiny, steps=1, batch=4, rollout=rollout)
    assert points(tmp_path / "ppo")[0]["reward"] != 0


@pytest.fixture
def warm(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make verifiers use the shared judge of all tests instead of starting one per run."""
    monkeypatch.setattr(reward, "Judge", lambda **_: FailingJudge(judge, Faults(0.0, 0)))


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_ppo_continues_to_the_same_weights(store: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    settings = {
        "steps": 4,
        "batch": 4,
        "save_every": 2,
        "rollout": {"samples": 2, "max_new_tokens": 1, "kl": 0.5},
    }
    whole = run("ppo", store, tmp_path / "whole", tiny, **settings)

    def kill(text: str) -> None:
        if "step 3" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny(method="ppo", **settings), store, tmp_path / "killed", log=kill)
    resumed = train(tiny(method="ppo", **settings), store, tmp_path / "killed")
    one, other = (load_file(trained.checkpoint / "model.safetensors") for trained in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_reinforcement_by_trl(store: Store, tmp_path: Path, tiny: Callable[..., Train], method: str) -> None:
    run(method, store, tmp_path, tiny, steps=2, rollout={"samples": 4, "max_new_tokens": 8})
    drawn = points(tmp_path / method)
    for point in drawn:
        assert sum(point[f"worth/{worth}"] for worth in Worth) == pytest.approx(1, abs=1e-3)
    # an untrained model hardly writes readable text: a step without a judgement has no reward to report
    assert any("reward" in point for point in drawn) or drawn[-1]["worth/unknown"] == 1


@pytest.mark.slow
def test_rejection_sampling_keeps_right_and_distinct_solutions(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    """A model that memorised one question samples its solution."""
    row = Row(
        question="1 + 1?",
        language="en",
        solution="1 + 1 = 2\nSo \\boxed{2}",
        solution_format="cot",
        answer="2",
    )
    store.publish("one", [to_table([row])], lineage={})
    data = [{"dataset": "one"}]
    base = train(
        tiny(data=data, steps=100, batch=1, lr=3e-3, packing=False), store, tmp_path / "base"
    ).checkpoint
    rollout = {"samples": 4, "temperature": 0.2, "max_new_tokens": 32}
    trained = run(
        "rft", store, tmp_path, tiny, data=data, base=str(base), rollout=rollout, batch=1, packing=False
    )
    counts = trained.metrics
    assert counts["sampled"] == 4
    assert 1 <= counts["kept"] <= counts["right"] <= 4
    assert counts["epoch_rows"] == 1 + counts["kept"]
    sampled = pq.read_table(tmp_path / "rft" / "stage-1" / "rows" / "sampled.parquet").to_pylist()
    assert {one["question"] for one in sampled} == {row.question}
    assert len({calculation(one["solution"]) for one in sampled}) == len(sampled) == counts["kept"]
    with Verifier() as verifier:
        assert all(
            verifier.rewards(
                [one["question"] for one in sampled],
                [one["solution"] for one in sampled],
                ["2"] * len(sampled),
                ["en"] * len(sampled),
            )
        )


def test_solutions_that_calculate_the_same_are_one() -> None:
    one, spaced, other = "First 2 + 3 = 5.\nSo 5", "we add: 2+3=5, that is 5", "3 + 2 = 5\nSo 5"
    assert calculation(one) == calculation(spaced) == "2+3=5"
    assert distinct([(0, one), (0, spaced), (0, other), (1, spaced)]) == [(0, one), (0, other), (1, spaced)]


def test_the_verifier_rewards_right_answers_only() -> None:
    texts = ["So \\boxed{1/2}", "So \\boxed{2}", "no number at all", ""]
    with Verifier() as verifier:
        assert verifier.rewards(["Q?"] * 4, texts, ["0.5"] * 4, ["en"] * 4) == [1.0, 0.0, 0.0, 0.0]


def test_the_verifier_runs_programs(sandbox: object) -> None:
    with Verifier() as verifier:
        assert verifier.rewards(
            ["Q?"] * 2, ["```python\nprint(6 * 7)\n```"] * 2, ["42", "41"], ["en"] * 2
        ) == [1.0, 0.0]


def test_judgements_are_what_the_critique_prompt_asks_for(judged: Store, tmp_path: Path) -> None:
    path = tmp_path / "judgements.parquet"
    write(judged, [judged.resolve(DATASET)], path)
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == 120
    replies = [Assessment.model_validate(json.loads(row["solution"])) for row in rows]
    wrong = ["boxed{9" in row["question"] and len(row["question"]) > 0 for row in rows]
    scores = [(one.answer_score >= 7) for one in replies]
    assert sum(scores) == 60
    row = sums(1)[0]
    turns = prompts.load("critique", "en").messages(question=row.question, solution=row.solution)
    assert {"system": turns[0]["content"], "question": turns[1]["content"]} in [
        {"system": one["system"], "question": one["question"]} for one in rows
    ]
    assert any(wrong)


def test_a_critic_learns_the_wrong_step_of_the_verdict_and_never_of_the_words(
    store: Store, tmp_path: Path
) -> None:
    below = reason("critique", Code.BELOW_THRESHOLD, name="answer", score="0.10", threshold="0.60")
    noted = [
        ("2", "Step 2: 4 is not 5.", (2, "4 is not 5.")),
        ("2", "Step 1: is fine, 4 is not 5.", (2, "Step 1: is fine, 4 is not 5.")),
        (None, "Step 3: nobody checked it.", (None, "Step 3: nobody checked it.")),
    ]
    wrong = [
        Row(
            question=row.question,
            language="en",
            solution=f"{row.solution} {i}",
            solution_format="cot",
            answer=f"9{row.answer}",
            critique=words,
            verdicts={WRONG_STEP: step} if step else {},
            reason=below,
        )
        for i, (row, (step, words, _)) in enumerate(zip(sums(3), noted, strict=True))
    ]
    store.append_candidates(to_table(wrong), run="night", version=store.resolve(DATASET), stage="critique")
    path = tmp_path / "judgements.parquet"
    write(store, [store.resolve(DATASET)], path)
    judgements = [json.loads(row["solution"]) for row in pq.read_table(path).to_pylist()]
    learned = {(one["first_wrong_step"], one["critique"]) for one in judgements if one["answer_score"] < 7}
    assert learned == {expected for _, _, expected in noted}


MY_CRITIQUE = "---\npurpose: mine\n{front}---\nMark this.\n{{{{ question }}}}\n{{{{ solution }}}}"


@pytest.mark.parametrize(
    ("front", "keys"),
    [
        ("", ["critique", "first_wrong_step", "clarity", "solvability", "value", "answer_score"]),
        ("schema_name: Critique\n", ["instruction_score", "answer_score", "first_wrong_step", "critique"]),
    ],
)
def test_judgements_are_in_the_critique_prompt_of_the_user(
    judged: Store, tmp_path: Path, front: str, keys: list[str]
) -> None:
    overlay = tmp_path / "prompts"
    overlay.mkdir()
    (overlay / "critique.en.md").write_text(MY_CRITIQUE.format(front=front))
    path = tmp_path / "judgements.parquet"
    write(judged, [judged.resolve(DATASET)], path, overlay)
    rows = pq.read_table(path).to_pylist()
    assert {row["question"].splitlines()[0] for row in rows} == {"Mark this."}
    assert {row["system"] for row in rows} == {None}
    assert {tuple(json.loads(row["solution"])) for row in rows} == {tuple(keys)}
    read = [critique(row["solution"]) for row in rows]
    assert not any(isinstance(one, str) for one in read)
    plain = tmp_path / "plain.parquet"
    write(judged, [judged.resolve(DATASET)], plain)
    as_shipped = [critique(row["solution"]) for row in pq.read_table(plain).to_pylist()]
    assert [(one.answer_score, one.instruction_score) for one in read] == [  # type: ignore[union-attr]
        (one.answer_score, one.instruction_score)
        for one in as_shipped  # type: ignore[union-attr]
    ]


def test_a_critic_is_trained_on_the_prompt_of_the_user_and_its_record_names_it(
    judged: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    overlay = tmp_path / "prompts"
    overlay.mkdir()
    (overlay / "critique.en.md").write_text(MY_CRITIQUE.format(front=""))
    (overlay / "solve_cot.en.md").write_text("---\npurpose: mine\n---\n{{ question }}")
    config = tiny(method="critic", length=512, steps=1, batch=1)
    trained = train(config, judged, tmp_path / "out", overlay=overlay)
    (ref,) = trained.lineage["prompt_overlay"]
    assert ref == prompts.load("critique", "en", overlay).ref
    rows = pq.read_table(tmp_path / "out" / "stage-1" / "rows" / "judgements.parquet").to_pylist()
    assert {row["question"].splitlines()[0] for row in rows} == {"Mark this."}
    assert train(config, judged, tmp_path / "out", overlay=overlay).lineage == trained.lineage
    (tmp_path / "out" / "run.json").unlink()  # it was killed before it ended
    for other in (None, tmp_path / "none"):
        with pytest.raises(TrainError, match=r"other prompts \(critique\.en@.*\)\. Fix: "):
            train(config, judged, tmp_path / "out", overlay=other)
    assert name_of(config, {"prompt_overlay": [ref]}) != name_of(config, {})
    assert replaced_prompts(tiny(method="sft"), overlay) == {}


@pytest.mark.slow
def test_a_critic_learns_judgements(judged: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    trained = run("critic", judged, tmp_path, tiny, base="student", length=5120, steps=1, batch=1)
    assert trained.metrics["epoch_rows"] == 120
    assert trained.metrics["left_out"] == {}


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("dpo", {}, "no pairs of a right and a wrong solution"),
        ("critic", {}, "no wrong solution is known"),
        ("critic", {"data": [{"dataset": "sums", "weight": 1}]}, "weights and `without` do not reach"),
        ("ppo", {"batch": 6}, "multiple of rollout.samples 4"),
        ("grpo", {"batch": 6}, "multiple of rollout.samples 4"),
        ("grpo", {"batch": 4000}, "questions cannot fill a batch of 4,000"),
        ("ppo", {"processes": 2}, "one process"),
        ("ppo", {"lora": {}}, "without lora"),
    ],
)
def test_what_a_method_lacks_is_reported(
    store: Store,
    tmp_path: Path,
    tiny: Callable[..., Train],
    method: str,
    settings: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(TrainError, match=message):
        train(tiny(method=method, **settings), store, tmp_path / "run")


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.yaml")))
def test_recipes_are_configurations(name: str) -> None:
    import yaml

    Train.model_validate(yaml.safe_load(path_of(name).read_text(encoding="utf-8")))


def test_an_unknown_recipe_is_reported() -> None:
    with pytest.raises(TrainError, match="no recipe 'best'; there are: annealing, "):
        path_of("best")
