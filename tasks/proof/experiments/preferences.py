"""RFT over SFT (Yuan et al. 2023, arXiv:2308.01825), then DPO and PPO from the RFT model.

RFT trains the base on the rows and on the distinct right solutions that the SFT model samples for their questions. A pair for
DPO is a right and a wrong solution of the SFT model to one question. PPO answers the questions of the rows, with the verifier
as the reward.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from storage.rows import column, dropped, kept, to_table
from tasks.proof.lab import TEMPERATURE, Lab
from tasks.proof.rows import words
from tasks.proof.sizes import LONGEST
from tasks.training.curves import points


def run(lab: Lab, models: dict[str, Path]) -> None:
    problems = lab.draw("rows", lab.sizes.rows)
    rows = lab.publish("rows", words(problems))
    rollout = {
        "sampler": str(models["SFT"]),
        "samples": lab.sizes.samples,
        "temperature": TEMPERATURE,
        "max_new_tokens": LONGEST,
        "most_unjudged": 1.0,
    }
    # "formats" gives the seed of SFT, so that only the rows differ
    models["RFT"] = lab.train("RFT", "formats", [rows], settings={"method": "rft", "rollout": rollout})
    lab.score("RFT", models["RFT"])
    sampling = lab.metrics("RFT")
    lab.facts |= {
        "sampled right": sampling["right"] / sampling["sampled"],
        "RFT rows": sampling["kept"],
    }
    pairs = _pairs(lab, models["SFT"])
    tuned = lab.train(
        "RFT+DPO",
        "preferences",
        [pairs],
        start=models["RFT"],
        settings={**lab.sizes.preference, "method": "dpo"},
    )
    lab.facts["DPO pairs"] = lab.metrics("RFT+DPO")["epoch_rows"]
    lab.score("RFT+DPO", tuned)

    tuned = lab.train(
        "RFT+PPO",
        "preferences",
        [rows],
        start=models["RFT"],
        settings={**lab.sizes.rewarded, "method": "ppo"},
    )
    rewards = [point["reward"] for point in points(lab.run_folder("RFT+PPO")) if "reward" in point]
    lab.facts["PPO reward, first step"], lab.facts["PPO reward, last step"] = rewards[0], rewards[-1]
    lab.score("RFT+PPO", tuned)


def _pairs(lab: Lab, sampler: Path) -> str:
    """Publish the right solutions that the checkpoint samples, and keep its wrong ones as candidates; return the version. For
    a question without a right sample its worked solution is published."""
    rows = words(lab.draw("rows", lab.sizes.rows)[: lab.sizes.asked])
    sampled = lab.sampled(sampler, rows)
    right = kept(sampled)
    ids = column(right, "id")
    right = right.filter(pa.array([row not in ids[:i] for i, row in enumerate(ids)], pa.bool_()))
    solved = set(column(right, "problem_id"))
    unsolved = to_table(row for row in rows if row.problem_id not in solved)
    version = lab.publish("pairs", pa.concat_tables([right, unsolved]))
    lab.store.append_candidates(dropped(sampled), run="sampled", version=version, stage="verify")
    return version
