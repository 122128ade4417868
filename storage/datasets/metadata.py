"""What describes an export beside its data: the card, the lineage and Croissant metadata."""

from __future__ import annotations

from pathlib import Path

from storage.datasets.card import LINEAGE, ExportedRecords, card, lineage_text
from storage.datasets.croissant import FILE, croissant
from storage.datasets.store import Store
from storage.datasets.versions import Version

CARD = "README.md"


def metadata(
    store: Store, version: Version, folder: Path, records: ExportedRecords, *, address: str = ""
) -> dict[str, str]:
    """Return the texts of the files that describe an export, by their names.

    Args:
        folder: where the data has been written.
        records: what has been written there.
        address: the URL at which the export will be published, if it will be.
    """
    return {
        CARD: card(store, version, records),
        LINEAGE: lineage_text(version),
        FILE: croissant(version, folder, records.files, address, shape=records.shape, count=records.total),
    }
