"""Publishes a rebuild as a version: its rows, its lineage, and the reasons of the rows that it drops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.runner.after_publication import finish
from flows.runner.artifacts import refusals_shown
from flows.runner.critic_gate import trusted_critics
from flows.runner.gates import gates_of
from flows.runner.learnt_limits import TOKEN_LIMITS
from flows.runner.publication import made_with
from flows.runner.rebuild_base import INHERITED
from flows.runner.rebuild_state import RebuildState
from flows.runner.rebuild_summary import summary
from flows.runner.verifier import certified, reliable_verifier
from flows.runner.verifier import lineage_of as verifier_lineage
from storage.datasets.digest import digest_of_rows
from storage.datasets.versions import Version, today
from storage.rows import reject
from tasks.canaries.batch import totals as canary_totals
from tasks.format_shares import FORMATS
from tasks.llm.costs import total
from tasks.scorers.trained_critic import NAME as TRAINED_CRITIC
from tasks.scorers.trained_critic import judged_by
from tasks.stages import rejudge


def publish(state: RebuildState) -> Version:
    """Publish the rows that are left as a new version. Rows of the base that it drops are stored with the reason."""
    line, store = state.line, state.line.tools.store
    dropped_of_base(state)
    line.store_candidates(state.run)
    reliable = certified(state.tables(state.pool.alive), line.tools.judge())
    with refusals_shown(state.config.into or state.config.dataset, line.tools.settings):
        version = store.publish(
            state.config.into or state.config.dataset,
            state.tables(state.pool.alive),
            mode="overwrite",
            expected=state.head,
            lineage={**lineage(state), **verifier_lineage(reliable)},
            gates=[
                *gates_of(state.config.gates),
                reliable_verifier(reliable, state.config.gates),
                trusted_critics(state.base.dataset, state.line.facts()),
            ],
            date=today(),
        )
    for number, table in enumerate(state.tables(state.pool.alive & (state.output >= 0))):
        store.append_candidates(
            table, run=state.run, version=version, stage="published", part=f"judged {number}"
        )
    finish(line.tools, version)
    return version


def twin_of(state: RebuildState) -> Version | None:
    """Return the newest version of the dataset to publish in that has exactly these rows, compared with the same benchmarks by the
    same rules; None where there is none."""
    store = state.line.tools.store
    rows = (batch for table in state.tables(state.pool.alive) for batch in table.to_batches())
    digest = digest_of_rows(rows).hex()
    looked_for = _looked_for(state.certificate)
    for version in reversed(store.versions(state.config.into or state.config.dataset)):
        if version.digest == digest and _looked_for(version.lineage.get("decontamination")) == looked_for:
            return version
    return None


def unchanged(name: str) -> str:
    """Return the message for a rebuild that publishes nothing, because the version of this name has exactly these rows."""
    return f"{name} has exactly these rows already: nothing was published (--set force=true publishes them again)"


def _looked_for(certificate: Mapping[str, Any] | None) -> tuple[list[tuple[str, str]], list[str]]:
    record = certificate or {}
    return sorted((one[0], one[1]) for one in record.get("sets", ())), sorted(record.get("rules", ()))


def dropped_of_base(state: RebuildState) -> None:
    """Append the rows of the base that are dropped to the candidates, with the reason, which `diff` and `why` read."""
    pool, store = state.pool, state.line.tools.store
    ids = store.read(state.base, ["id"]).column("id").combine_chunks()
    had = np.asarray(pc.is_in(pool.rows.column("id"), value_set=ids).to_numpy(), dtype=bool)
    gone = had & ~pool.alive & (state.output < 0)
    reasons = dict(
        zip(pool.rows.column("id").filter(pa.array(gone)).to_pylist(), pool.why[gone], strict=True)
    )
    for number, table in enumerate(state.tables(gone)):
        why = [reasons[row] for row in table.column("id").to_pylist()]
        store.append_candidates(reject(table, why), run=state.run, stage=rejudge.STAGE, part=f"out {number}")


def lineage(state: RebuildState) -> dict[str, Any]:
    """Return the lineage of the version, with the same keys as that of a night."""
    pool = state.pool
    licenses = pc.value_counts(pool.rows.column("license").filter(pa.array(pool.alive))).to_pylist()
    prompts = pc.unique(pool.rows.column("prompt").filter(pa.array(pool.alive))).to_pylist()
    parameters = state.rules.model_dump(mode="json", include={"dataset", "gates", *INHERITED})
    return {
        "flow": "rebuild",
        "run": state.run,
        "base": str(state.base),
        "inputs": state.base.lineage.get("inputs", []),
        "prompts": sorted(name for name in prompts if name),
        "parameters": parameters | {"rebuild": state.config.model_dump(mode="json")},
        "licenses": {
            item["values"] or "none": item["counts"]
            for item in sorted(licenses, key=lambda i: str(i["values"]))
        },
        "calibration": state.calibration,
        "decontamination": state.certificate or None,
        "funnel": pool.lines,
        **summary(pool, state.base, state.line.tools.store),
        "costs": total(state.line.facts()),
        "canaries": canary_totals(state.line.facts()),
        **{
            name: value
            for name, value in state.base.lineage.items()
            if name in (TOKEN_LIMITS, FORMATS, "concepts", TRAINED_CRITIC)
        },
        **judged_by(state.line.facts()),
        **made_with(state.line.tools),
    }
