"""Run tasks of lm-evaluation-harness, from its own collection, the hub or a folder of YAML files, and return answered items.

A checkpoint (`hf:FOLDER`) is loaded by the harness itself, which can then score options by their likelihood. Any other
model is called through the engine, and so through the ledger and the budget. Chat endpoints return no likelihoods, so only
generative tasks can be run on them. The harness never runs code that a model writes: that needs a sandbox.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.errors import ForPeople
from storage.rows import column
from tasks.evaluation.answering import ANSWERED
from tasks.evaluation.domains import capability_of, domain_of
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick

STAGE = "lm-eval"
LONGEST = 2048  # tokens per answer where the task sets no limit
# metrics that show whether a sample is right, in order of preference; values from 0 to 1
METRICS = ("exact_match", "acc", "math_verify", "pass@1", "pass_at_1", "mc2", "f1")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of tasks. Its `digest`, over the contents of the files, identifies the results."""

    path: str
    digest: str

    @classmethod
    def of(cls, path: str) -> Folder:
        """Return the folder at a path; an empty path means no folder. Raises HarnessError if it does not exist."""
        if path and not Path(path).is_dir():
            raise HarnessError(f"setting task_folder: {path} is not a folder. Fix: check the path")
        digest = hashlib.sha256()
        for file in sorted(Path(path).rglob("*")) if path else ():
            if file.is_file():
                digest.update(
                    str(file.relative_to(path)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest()
                )
        return cls(path, digest.hexdigest())


class HarnessError(ForPeople, ValueError):
    """A task that cannot be run. The message names the task and the fix."""


def run_tasks(
    tasks: pa.Table,
    *,
    engine: Engine,
    folder: Folder,
    shots: int | None,
    limit: int | None,
    chat_template: bool,
    seed: int,
    tick: Tick,
) -> Outcome:
    """Run the tasks (column `id`) and return their items with the model's scores, in the schema of
    tasks.evaluation.answering. A task with several filters becomes one benchmark per filter, `task,filter`.

    Raises HarnessError if a task cannot be run.
    """
    import lm_eval
    import torch
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    names = column(tasks, "id")
    # the collection of the harness has thousands of files: it is read only if a task is not in the folder
    manager = TaskManager(include_path=folder.path or None, include_defaults=not folder.path)
    if folder.path and not set(names) <= set(manager.all_tasks):
        manager = TaskManager(include_path=folder.path)
    for name in names:
        if name not in manager.all_tasks:
            raise HarnessError(
                f"lm-evaluation-harness has no task {name!r}. Fix: choose one that `lm-eval ls tasks` lists, or set task_folder"
            )
    costs = RoleCosts.of(engine.endpoint)
    checkpoint = engine.endpoint.checkpoint
    evaluated = lm_eval.simple_evaluate(
        model="hf" if checkpoint else _through(engine, costs, seed),
        model_args={"pretrained": checkpoint, "use_safetensors": True} if checkpoint else None,
        batch_size=32 if checkpoint else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
        tasks=list(names),
        task_manager=manager,
        num_fewshot=shots,
        limit=limit,
        apply_chat_template=chat_template and checkpoint is not None,
        bootstrap_iters=0,
        log_samples=True,
        random_seed=seed,
        numpy_random_seed=seed,
        torch_random_seed=seed,
        fewshot_random_seed=seed,
    )
    rows = [
        _row(task, sample, len({one["filter"] for one in samples}) > 1)
        for task, samples in sorted(evaluated["samples"].items())
        for sample in samples
    ]
    tick(tasks.num_rows)
    return Outcome(pa.Table.from_pylist(rows, ANSWERED), asked=len(rows), facts=costs.facts())


def _row(task: str, sample: Mapping[str, Any], several: bool) -> dict[str, Any]:
    score = _score(task, sample)
    benchmark = f"{task},{sample['filter']}" if several else task
    domain = domain_of(task)
    responses = sample["filtered_resps"]
    return {
        "id": f"{benchmark}#{sample['doc_id']}",
        "benchmark": benchmark,
        "form": STAGE,
        "domain": domain,
        "capability": capability_of(domain, STAGE),
        "subdomain": task,
        "language": "en",
        "question": str(sample["arguments"][0][0]),
        "reference": str(sample["target"]),
        "answers": [str(responses[0]) if len(responses) == 1 else str(responses)],
        "texts": [str(responses[0]) if len(responses) == 1 else str(responses)],
        "right": [score >= 1.0],
        "unknown": 0,  # the harness knows only right and wrong
        "unanswered": 0,  # the harness does not report replies without an answer
        "cut": 0,
        "score": score,
        "majority": score >= 1.0,
    }


def _score(task: str, sample: Mapping[str, Any]) -> float:
    name = next((metric for metric in METRICS if metric in sample["metrics"]), None)
    value = sample[name] if name else None
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise HarnessError(
            f"task {task}: none of its metrics ({', '.join(sample['metrics'])}) is a score from 0 to 1 per sample; "
            f"known are {', '.join(METRICS)}"
        )
    return float(value)


def _through(engine: Engine, costs: RoleCosts, seed: int) -> Any:
    """Return a model of the harness that sends its requests through the engine."""
    from lm_eval.api.model import LM

    refuse = _refuse(engine)

    class ThroughEngine(LM):  # type: ignore[misc]
        loglikelihood = refuse
        loglikelihood_rolling = refuse

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            completions = list(
                engine.run(_requests([one.args for one in requests], engine.endpoint.model, seed))
            )
            for completion in completions:
                costs.add(completion)
                if completion.error is not None and completion.text is None:
                    raise HarnessError(
                        f"{engine.endpoint.role}: {completion.error}. Fix: run the command again, which continues from here"
                    )
            return [completion.text or "" for completion in completions]

    return ThroughEngine()


def _requests(calls: Sequence[tuple[str, Mapping[str, Any]]], model: str, seed: int) -> list[Request]:
    """Return the calls of the harness as requests. A repeated prompt is the next sample of that prompt."""
    seen: Counter[str] = Counter()
    requests = []
    for text, options in calls:
        until = options.get("until") or ()
        requests.append(
            Request(
                messages=[{"role": "user", "content": text}],
                model=model,
                temperature=float(options.get("temperature", 0.0)) if options.get("do_sample") else 0.0,
                max_tokens=int(options.get("max_gen_toks") or options.get("max_tokens") or LONGEST),
                stop=[until] if isinstance(until, str) else [stop for stop in until if stop.strip()][:4],
                sample_index=seen[text],
                seed=seed_of(seed, STAGE, text, seen[text]),
                tag=STAGE,
            )
        )
        seen[text] += 1
    return requests


def _refuse(engine: Engine) -> Callable[..., Any]:
    def refuse(self: Any, *_: Any, **__: Any) -> Any:
        raise HarnessError(
            f"{engine.endpoint.role} is a chat endpoint, which returns no likelihoods. Fix: a task that generates, or "
            "the checkpoint itself (hf:FOLDER)"
        )

    return refuse
