"""Every row that a stage dropped reaches the candidates, whatever the titles of the stage's runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from flows.runner.progress import Bars
from flows.runner.publication import funnel_line
from flows.runner.stages import FunnelEntry, Line
from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import Row, column, to_table
from storage.stage_cache.shards import Ref, ShardStore
from tasks.reports.funnel import not_taken
from tasks.stages.outcome import Balance

MISSING = reason("self_instruct", Code.MISSING_ITEM)


def test_a_stage_that_runs_in_every_wave_under_one_title_loses_no_dropped_row(tmp_path: Path) -> None:
    store, shards = Store(tmp_path), ShardStore(tmp_path)
    waves = [
        to_table([Row(f"kept {wave}", "en"), Row("", "en", id=f"dropped {wave}", reason=MISSING)])
        for wave in range(3)
    ]
    with Bars() as bars:
        line = Line(cast(Any, SimpleNamespace(store=store, shards=shards)), bars)
        for wave in waves:
            ref: Ref = shards.put_content("generate", wave)
            line.funnel.append(FunnelEntry("generate", "Write questions", cast(Any, None), [ref], 0))
        for _ in range(2):  # a night that was killed while it stored them stores them again
            line.store_candidates("night")
    assert sorted(column(store.dropped("night"), "id")) == ["dropped 0", "dropped 1", "dropped 2"]


def test_the_reasons_of_most_dropped_rows_are_named(tmp_path: Path) -> None:
    shards = ShardStore(tmp_path)
    malformed = reason("self_instruct", Code.MALFORMED_ITEM, why="no JSON list")
    rows = [Row("", "en", id=str(number), reason=malformed if number else MISSING) for number in range(5)]
    with Bars() as bars:
        line = Line(cast(Any, SimpleNamespace(shards=shards)), bars)
        assert line.most_dropped() == ""
        refs = [shards.put_content("generate", to_table(rows))]
        line.funnel.append(FunnelEntry("generate", "Write questions", cast(Any, None), refs, 0))
    assert line.most_dropped().startswith(
        f"of 5 dropped rows most are self_instruct: no JSON list (4 rows); self_instruct: {MISSING.words} (1 row). Fix: "
    )


def test_a_line_of_the_funnel_knows_how_many_rows_were_not_taken(tmp_path: Path) -> None:
    whys = [
        None,
        MISSING,
        reason("mix", Code.OVER_TARGET, target=1),
        reason("mix", Code.OVER_TARGET, target=1),
    ]
    rows = [Row("", "en", id=str(number), reason=why) for number, why in enumerate(whys)]
    with Bars() as bars:
        shards = ShardStore(tmp_path)
        line = Line(cast(Any, SimpleNamespace(shards=shards)), bars)
        ref = shards.put_content("mix", to_table(rows))
        balance = Balance(ref.rows, ref.kept, ref.rejected, ref.failed)
        recorded = funnel_line(FunnelEntry("mix", "Mix", balance, [ref], 0, line.not_taken([ref])))
    assert (recorded["kept"], recorded["rejected"], recorded["not_taken"]) == (1, 3, 2)
    assert not_taken(recorded) == 2
