"""What the flow attribution compares, read and checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from flows.config.attribution import GroupAttribution
from flows.config.loading import ConfigError
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.llm.model_files import located, require
from tasks.training.groups import held_out, of_file, samples

ALL = "all"


@dataclass(frozen=True, slots=True)
class AttributionInputs:
    """The rows of each group, the items, the values that a training without each checks (None: those of the lowest influence), and
    the checkpoint that learns (None: a small student)."""

    version: Version
    groups: Mapping[str, pa.Table]
    items: pa.Table
    check: list[str] | None
    base: str | None

    @classmethod
    def of(cls, config: GroupAttribution, store: Store, home: Path) -> Self:
        """Read them. Raises ConfigError, StorageError, TrainError or ModelMissing, which name the setting or the file."""
        base = located(config.base, home) if config.base else None
        if base is not None:
            require(base, "base")
        version = store.resolve(config.version)
        groups = samples(store, version, config.by, config.rows, config.most)
        if unknown := [name for name in config.check if name != ALL and name not in groups]:
            raise ConfigError(
                f"check {unknown[0]}: no such value of {config.by}. Fix: choose of {ALL}, {', '.join(groups)}"
            )
        items = of_file(Path(config.items)) if config.items else held_out(store, version)
        return cls(
            version,
            groups,
            items,
            list(groups) if ALL in config.check else list(config.check) or None,
            base,
        )
