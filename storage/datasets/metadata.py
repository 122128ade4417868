"""What describes an export beside its data: the card, the lineage and Croissant metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from storage.datasets.card import LINEAGE, card, lineage_text
from storage.datasets.croissant import FILE, croissant
from storage.datasets.store import Store
from storage.datasets.versions import Version

CARD = "README.md"


def metadata(
    store: Store,
    version: Version,
    folder: Path,
    *,
    shape: str,
    rows: int,
    files: Mapping[str, str],
    address: str = "",
) -> dict[str, str]:
    """Return the texts of the files that describe an export, by their names.

    Args:
        folder: where the data has been written.
        rows: how many records that are.
        files: the glob of their files in `folder`, by split.
        address: the URL at which the export will be published, if it will be.
    """
    return {
        CARD: card(store, version, shape=shape, rows=rows, files=files),
        LINEAGE: lineage_text(version),
        FILE: croissant(version, folder, files, address),
    }
