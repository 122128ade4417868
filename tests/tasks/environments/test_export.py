"""Environments of four frameworks: their rows, their reward functions, and what happens where the verifier has no judgement."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import importlib.util
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.cli.export import ENVIRONMENTS
from storage.datasets.store import Store
from storage.errors import StorageError
from storage.rows import Row, to_table
from tasks.environments.export import export_environment, formats
from tasks.environments.pinned import PACKAGE, pinned
from tasks.training.reward import Verifier

SAMPLES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "samples"
CHOICE = "Which is even?\nA) 3\nB) 4"
ROWS = [
    Row("What is 2 + 3?", "en", solution="\\boxed{5}", answer="5", reference_answer="5"),
    Row("Find x in 2x = 3.", "en", solution="\\boxed{3/2}", answer="3/2", reference_answer="\\frac{3}{2}"),
    Row(CHOICE, "en", solution="\\boxed{B}", answer="B", reference_answer="B"),
    Row("2 加 3 是多少？", "zh", solution="\\boxed{5}", answer="5", reference_answer="5"),
    Row("No answer is known.", "en"),
]
# question, completion, answer, language
ANSWERS: list[tuple[str, str, str, str]] = [
    ("What is 2 + 3?", "So \\boxed{5}.", "5", "en"),
    ("What is 2 + 3?", "So \\boxed{6}.", "5", "en"),
    ("Find x in 2x = 3.", "x = \\boxed{1.5}", "\\frac{3}{2}", "en"),
    (CHOICE, "The answer is 4.", "B", "en"),
    (CHOICE, "The answer is A.", "B", "en"),
    ("2 加 3 是多少？", "答案是 5。", "5", "zh"),
    ("What is 2 + 3?", "I do not know.", "5", "en"),
    ("Which line?", "\\boxed{y = \\operatorname{foo}(x)}", "\\operatorname{bar}(x)", "en"),
    ("About?", "\\boxed{85.71}", "600/7", "en"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = tmp_path_factory.mktemp("environments")
    store = Store(where / "home")
    version = store.publish("d", [to_table(ROWS)], lineage={})
    for name in ENVIRONMENTS:
        assert export_environment(store, version, where / name, name) == 4
    return {name: where / name for name in ENVIRONMENTS}


@pytest.fixture(scope="module")
def rewards(folders: dict[str, Path]) -> Iterator[Any]:
    """Return the reward functions by framework, as (questions, completions, answers, languages) -> 1.0, 0.0 or None."""
    sys.path.insert(0, str(folders["trl-grpo"]))
    client: Any = importlib.import_module(PACKAGE)
    there = [name for name in ENVIRONMENTS if name != "verifiers" or importlib.util.find_spec("verifiers")]
    yield {name: as_rewards(name, folders[name]) for name in there}
    client.close()
    sys.path.remove(str(folders["trl-grpo"]))
    del sys.modules[PACKAGE]


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}_{abs(hash(path))}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_rewards(name: str, folder: Path) -> Any:
    if name == "trl-grpo":
        reward = loaded(folder / "reward.py").reward

        def through_trl(rows: list[tuple[str, str, str, str]]) -> list[float | None]:
            questions, completions, answers, languages = map(list, zip(*rows, strict=True))
            talks = [[{"role": "assistant", "content": text}] for text in completions]
            prompts = [[{"role": "user", "content": question}] for question in questions]
            return list(
                reward(
                    prompts=prompts,
                    completions=talks,
                    answer=answers,
                    language=languages,
                    question=questions,
                    trainer_state=None,
                )
            )

        return through_trl
    if name == "verl":
        compute = loaded(folder / "reward.py").compute_score

        def through_verl(rows: list[tuple[str, str, str, str]]) -> list[float | None]:
            scores = [
                compute(
                    "mathmill/d", text, answer, {"question": question, "language": language}, no_reward="mark"
                )
                for question, text, answer, language in rows
            ]
            return [one["score"] if one["valid"] else None for one in scores]

        return through_verl
    if name == "nemo-gym":
        return through_nemo_gym(folder)
    return through_verifiers(folder)


def through_nemo_gym(folder: Path) -> Any:
    """Run the exported server with stand-ins for the base classes of NeMo Gym, which needs a newer Python: they are those of its documentation."""
    from pydantic import BaseModel

    class Request(BaseModel):
        responses_create_params: dict[str, Any]

    class Verify(Request):
        response: Any

    class Response(Verify):
        reward: float

    class Server(BaseModel):
        config: Any = None

    package, base = types.ModuleType("nemo_gym"), types.ModuleType("nemo_gym.base_resources_server")
    vars(base).update(
        BaseResourcesServerConfig=BaseModel, BaseRunRequest=Request, BaseVerifyRequest=Verify, BaseVerifyResponse=Response,
        SimpleResourcesServer=Server,
    )  # fmt: skip
    sys.modules |= {"nemo_gym": package, "nemo_gym.base_resources_server": base}
    try:
        app = loaded(folder / "resources_servers" / "mathmill" / "app.py")
    finally:
        del sys.modules["nemo_gym"], sys.modules["nemo_gym.base_resources_server"]
    server = app.MathmillResourcesServer(config=app.MathmillConfig())

    async def all_of(rows: list[tuple[str, str, str, str]]) -> list[float | None]:
        rewards: list[float | None] = []
        for question, text, answer, language in rows:
            part = types.SimpleNamespace(type="output_text", text=text)
            response = types.SimpleNamespace(output=[types.SimpleNamespace(type="message", content=[part])])
            body = app.MathmillVerifyRequest.model_construct(
                responses_create_params={},
                response=response,
                question=question,
                expected_answer=answer,
                language=language,
            )
            done = await server.verify(body)
            assert done.mask_sample == (done.failure_kind is not None) == (done.failure_reason is not None)
            rewards.append(None if done.mask_sample else done.reward)
        return rewards

    return lambda rows: asyncio.run(all_of(rows))


def through_verifiers(folder: Path) -> Any:
    vf = pytest.importorskip(
        "verifiers", reason="the library verifiers is not installed (extra environments)"
    )
    environment = loaded(folder / "mathmill_environment.py").load_environment()

    async def all_of(rows: list[tuple[str, str, str, str]]) -> list[float | None]:
        rewards: list[float | None] = []
        for question, text, answer, language in rows:
            state = vf.State(
                prompt=[{"role": "user", "content": question}], completion=[{"role": "assistant", "content": text}], answer=answer,
                info={"question": question, "language": language}, task="", timing=vf.types.RolloutTiming() if hasattr(vf, "types") else {},
            )  # fmt: skip
            await environment.rubric.score_rollout(state)
            rewards.append(None if state.get("error") is not None else state["reward"])
        return rewards

    return lambda rows: asyncio.run(all_of(rows))


def own(rows: list[tuple[str, str, str, str]]) -> list[float | None]:
    questions, completions, answers, languages = map(list, zip(*rows, strict=True))
    with Verifier() as verifier:
        return verifier.rewards(questions, completions, answers, languages)


@pytest.mark.skipif(
    importlib.util.find_spec("verifiers") is None,
    reason="the library verifiers is not installed (extra environments)",
)
def test_verifiers_is_one_of_the_four(rewards: dict[str, Any]) -> None:
    assert set(rewards) == set(ENVIRONMENTS)


def test_the_command_knows_every_format() -> None:
    assert sorted(ENVIRONMENTS) == sorted(formats())


@pytest.mark.slow
def test_rows_have_the_ground_truth_where_the_framework_reads_it(folders: dict[str, Path]) -> None:
    verl = pq.read_table(folders["verl"] / "data" / "train.parquet").to_pylist()
    assert {row["reward_model"]["ground_truth"] for row in verl} == {"5", "\\frac{3}{2}", "B"}
    assert all(row["prompt"][-1]["role"] == "user" and row["reward_model"]["style"] == "rule" for row in verl)
    (chinese,) = [row for row in verl if row["extra_info"]["language"] == "zh"]
    assert "方框" in chinese["prompt"][-1]["content"] or "boxed" in chinese["prompt"][-1]["content"]
    gym = [
        json.loads(line)
        for line in (folders["nemo-gym"] / "resources_servers/mathmill/data/train.jsonl").open()
    ]
    assert all(row["responses_create_params"]["input"][-1]["role"] == "user" for row in gym)
    assert {row["expected_answer"] for row in gym} == {"5", "\\frac{3}{2}", "B"}
    for name in ("verifiers", "trl-grpo"):
        rows = [json.loads(line) for line in (folders[name] / "data" / "train.jsonl").open()]
        assert len({row["answer"] for row in rows}) == 3
        assert all(row["prompt"][-1]["role"] == "user" for row in rows)
    for folder in folders.values():
        assert pinned()[0] in (folder / "README.md").read_text()
        assert (folder / "lineage.json").is_file()


@pytest.mark.slow
def test_the_four_frameworks_reward_alike(rewards: dict[str, Any]) -> None:
    expected = own(ANSWERS)
    assert expected == [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, None, None]
    for name, reward in rewards.items():
        assert reward(ANSWERS) == expected, name


@pytest.mark.slow
def test_a_dead_verifier_is_no_reward_in_any_framework(
    rewards: dict[str, Any], folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = sys.modules[PACKAGE]
    client.close()
    monkeypatch.setattr(client, "_ask", lambda asked: (_ for _ in ()).throw(OSError("killed")))
    for name, reward in rewards.items():
        assert reward(ANSWERS[:2]) == [None, None], name
    with pytest.raises(RuntimeError, match="no judgement"):
        loaded(folders["verl"] / "reward.py").compute_score("d", "\\boxed{5}", "5", {})


@pytest.mark.slow
def test_killed_in_between_it_is_started_again(rewards: dict[str, Any]) -> None:
    client: Any = sys.modules[PACKAGE]
    assert rewards["trl-grpo"](ANSWERS[:2]) == [1.0, 0.0]
    client._process.kill()
    client._process.wait()
    assert rewards["trl-grpo"](ANSWERS[:2]) == [1.0, 0.0]


def test_changed_sources_are_refused(folders: dict[str, Path]) -> None:
    changed = folders["verl"] / PACKAGE
    module = loaded(changed / "__init__.py")
    assert module.digest_of_sources() == module.DIGEST == pinned()[0]
    judge = changed / "sources" / "tasks" / "answers" / "judge.py"
    before = judge.read_text()
    try:
        judge.write_text(before + "\n# right is what we like\n")
        with pytest.raises(module.SourcesChanged, match="export the environment again"):
            module.rewards(["q"], ["\\boxed{5}"], ["5"])
    finally:
        judge.write_text(before)


def test_the_mask_of_verl_leaves_out_whole_responses(
    folders: dict[str, Path], rewards: dict[str, Any]
) -> None:
    import torch

    mask = loaded(folders["verl"] / "reward.py").mask_of(torch.ones(3, 4), [1, 0, 1])
    assert mask.tolist() == [[1.0] * 4, [0.0] * 4, [1.0] * 4]


def test_a_version_without_answers_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    version = store.publish("d", [to_table([Row("Why?", "en")])], lineage={})
    with pytest.raises(StorageError, match="no question with a known answer"):
        export_environment(store, version, tmp_path / "out", "verl")
    assert not (tmp_path / "out").exists()


def records(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(SAMPLES / name, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def in_a_box(output: str) -> str:
    """Return a reply of ZeroEval, a JSON object with reasoning and answer, as words with the answer in a box; what is no such object as it is."""
    match = re.search(r'"reasoning":\s*"(.*)",\s*"answer":\s*"?(.*?)"?\s*\}', output, re.DOTALL)
    return f"{match[1]}\n\n\\boxed{{{match[2]}}}" if match else output


@pytest.mark.soak
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no shared data: {SAMPLES}")
def test_five_thousand_real_answers_are_rewarded_alike(rewards: dict[str, Any]) -> None:
    rows: list[tuple[str, str, str, str]] = []
    for one in records("qwen_math_8samples.a.jsonl.gz"):
        rows += [(one["question"], text, one["gt"], "en") for text in one["code"]]
    for name in ("zeroeval_math_l5.a.jsonl.gz", "zeroeval_gsm8k.a.jsonl.gz"):
        rows += [
            (
                one.get("question") or one["problem"],
                in_a_box(one["output"][0]),
                str(one["answer"]).removeprefix("# "),
                "en",
            )
            for one in records(name)
        ]
    rows = rows[:5000]
    assert len({row[:2] for row in rows}) > 4500
    expected = own(rows)
    assert expected.count(1.0) > 500
    assert expected.count(0.0) > 500
    for name, reward in rewards.items():
        assert reward(rows) == expected, name


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_options_of_an_export_hold_for_environments(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    rows = [
        Row(
            f"What is {n} plus {word}?", "en", solution=solution, answer=str(n), reference_answer=str(n), subdomain="a" if n % 4 else "b",
            scores={"answer": 0.5},
        )
        for n, word in enumerate(["cats", "dogs", "birds", "whales", "ants", "bees", "frogs", "goats", "hens", "owls", "pigs", "rats"])
        for solution in ("\\boxed{1}", "So \\boxed{1}")
    ]  # fmt: skip
    version = store.publish("d", [to_table(rows)], lineage={})
    out = tmp_path / "out"
    # two conditions that a row meets which need not be the one that its record is made of
    written = export_environment(
        store, version, out, name, where="subdomain = 'a' AND solution LIKE 'So%'", columns=["subdomain", "scores"],
        tested=lambda table: table.column("problem_id").combine_chunks()[:6],
    )  # fmt: skip
    assert written == 9
    paths = {split: next(out.glob(f"**/{split}.*")) for split in ("train", "test")}
    records = {
        split: pq.read_table(path).to_pylist()
        if path.suffix == ".parquet"
        else [json.loads(line) for line in path.open()]
        for split, path in paths.items()
    }
    assert sum(map(len, records.values())) == 9
    assert len({json.dumps(one, sort_keys=True) for part in records.values() for one in part}) == 9
    for part in records.values():
        for one in part:
            holder = one.get("extra_info") or one.get("info") or one
            assert holder["subdomain"] == "a"
            assert json.loads(holder["scores"]) == {"answer": 0.5}
    croissant = json.loads((out / "croissant.json").read_text())
    assert {one["contentUrl"] for one in croissant["distribution"]} == {
        path.relative_to(out).as_posix() for path in paths.values()
    }
    assert [one["name"] for one in croissant["recordSet"]] == ["train", "test"]
    card = (out / "README.md").read_text()
    assert all(f"path: {path.relative_to(out).as_posix()}" in card for path in paths.values())
    if name == "nemo-gym":
        assert "data/test.jsonl" in (out / "resources_servers/mathmill/configs/mathmill.yaml").read_text()
    with pytest.raises(StorageError, match="already. Fix: leave it out of --columns"):
        export_environment(store, version, tmp_path / "no", name, columns=["language"])
    with pytest.raises(StorageError, match=r"--files csv: .* reads (jsonl|parquet) files. Fix: leave it out"):
        export_environment(store, version, tmp_path / "no", name, files="csv")
    with pytest.raises(StorageError, match="no question with a known answer for the split 'train'"):
        export_environment(store, version, tmp_path / "no", name, where="subdomain = 'c'")
    assert not (tmp_path / "no").exists()
