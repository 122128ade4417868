"""What an import of no usable row says."""

from __future__ import annotations

from typing import cast

from flows.runner.imported_rows import _nothing_usable
from flows.runner.stages import Line
from storage.stage_cache.shards import Ref


def test_no_row_at_all_has_no_reasons_to_list() -> None:
    empty = Ref("digest", "path", 0, 0, 0, 0)
    assert _nothing_usable(cast(Line, None), [empty]) == "there is no row to take"
