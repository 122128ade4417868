"""A rebuild becomes a version: its rows, its lineage, and the reasons of the rows that are out now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.runner.after_publication import finish
from flows.runner.gates import gates_of
from flows.runner.publication import made_with
from flows.runner.rebuilding import INHERITED, Work
from storage.datasets.digest import digest_of_rows
from storage.datasets.versions import Version, today
from storage.rows import dropped, reject
from tasks.llm.costs import total
from tasks.stages import rejudge


def publish(work: Work) -> Version:
    """The living rows as a new version of their own; rows that the base had and this one drops keep why."""
    line, store = work.line, work.line.tools.store
    dropped_of_base(work)
    for entry in line.funnel:
        for number, ref in enumerate(entry.refs):
            store.append_candidates(
                dropped(line.tools.shards.read(ref)),
                run=work.run,
                stage=entry.stage,
                part=f"{entry.title} {number}",
            )
    version = store.publish(
        work.config.into or work.config.dataset,
        work.tables(work.pool.alive),
        mode="overwrite",
        expected=work.head,
        lineage=lineage(work),
        gates=gates_of(work.config.gates),
        date=today(),
    )
    for number, table in enumerate(work.tables(work.pool.alive & (work.home >= 0))):
        store.append_candidates(
            table, run=work.run, version=version, stage="published", part=f"judged {number}"
        )
    finish(line.tools, version)
    return version


def twin_of(work: Work) -> Version | None:
    """The newest version of the dataset to publish in that has exactly these rows, compared with the same benchmarks by the
    same rules; None where there is none."""
    store = work.line.tools.store
    rows = (batch for table in work.tables(work.pool.alive) for batch in table.to_batches())
    digest = digest_of_rows(rows).hex()
    looked_for = _looked_for(work.certificate)
    for version in reversed(store.versions(work.config.into or work.config.dataset)):
        if version.digest == digest and _looked_for(version.lineage.get("decontamination")) == looked_for:
            return version
    return None


def unchanged(name: str) -> str:
    """The message where nothing is published because the version of this name has exactly these rows."""
    return f"{name} has exactly these rows already: nothing was published (--set force=true publishes them again)"


def _looked_for(certificate: Mapping[str, Any] | None) -> tuple[list[tuple[str, str]], list[str]]:
    record = certificate or {}
    return sorted((one[0], one[1]) for one in record.get("sets", ())), sorted(record.get("rules", ()))


def dropped_of_base(work: Work) -> None:
    """Rows of the base that are out now, into the candidates with the reason, so that `diff` and `why` know it."""
    pool, store = work.pool, work.line.tools.store
    ids = store.read(work.base, ["id"]).column("id").combine_chunks()
    had = np.asarray(pc.is_in(pool.rows.column("id"), value_set=ids).to_numpy(), dtype=bool)
    gone = had & ~pool.alive & (work.home < 0)
    reasons = dict(
        zip(pool.rows.column("id").filter(pa.array(gone)).to_pylist(), pool.why[gone], strict=True)
    )
    for number, table in enumerate(work.tables(gone)):
        why = [reasons[row] for row in table.column("id").to_pylist()]
        store.append_candidates(reject(table, why), run=work.run, stage=rejudge.STAGE, part=f"out {number}")


def lineage(work: Work) -> dict[str, Any]:
    """As a night's lineage, so that the next rebuild and every reader find the same keys."""
    pool = work.pool
    licenses = pc.value_counts(pool.rows.column("license").filter(pa.array(pool.alive))).to_pylist()
    prompts = pc.unique(pool.rows.column("prompt").filter(pa.array(pool.alive))).to_pylist()
    parameters = work.rules.model_dump(mode="json", include={"dataset", "gates", *INHERITED})
    return {
        "flow": "rebuild",
        "run": work.run,
        "base": str(work.base),
        "inputs": work.base.lineage.get("inputs", []),
        "prompts": sorted(name for name in prompts if name),
        "parameters": parameters | {"rebuild": work.config.model_dump(mode="json")},
        "licenses": {
            item["values"] or "none": item["counts"]
            for item in sorted(licenses, key=lambda i: str(i["values"]))
        },
        "calibration": work.base.lineage.get("calibration", {}),
        "decontamination": work.certificate or None,
        "funnel": pool.lines,
        "costs": total(work.line.facts()),
        **made_with(work.line.tools),
    }
