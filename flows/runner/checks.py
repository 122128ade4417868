"""What `mathmill verify` looks at: each stored thing, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from flows.settings import Settings, load_settings
from storage.counting import counted
from storage.datasets import statements
from storage.datasets.statements import check_export
from storage.datasets.store import Store
from storage.datasets.verify import check_tables
from storage.datasets.versions import Version
from storage.derived_files import DerivedFiles
from storage.errors import Corrupt, ForPeople, in_one_line
from storage.indexes import index, vectors
from storage.indexes.sketches import check_indexes
from storage.ledger import Ledger
from storage.ledger.schema import location
from storage.location import Location
from storage.sealed_files import HomeFiles
from storage.signing import BadStatement
from storage.stage_cache.shards import ShardStore

RESTORE_FILE = "Fix: restore it from a copy of the home"
MADE_AGAIN = (
    "Nothing is lost: this is derived data, which the next run that needs it makes again. "
    "Fix: delete what was altered, then ./mathmill maintain --apply, which takes missing files out of the catalogue"
)


def check_one(name: str, trust: Sequence[str] = ()) -> dict[str, str]:
    """Return the state of one version. trust: ids of the keys of which one must have signed its statement. Raises VersionNotFound if there is
    none."""
    store = Store(load_settings().tables)
    version = store.resolve(name)
    return {str(version): _version_state(store, version, trust)}


def check_folder(folder: Path, trust: Sequence[str] = ()) -> dict[str, str]:
    """Return the state of the export in a folder."""
    return {str(folder): _state(lambda: check_export(folder, trust))}


def _version_state(store: Store, version: Version, trust: Sequence[str] = ()) -> str:
    def check() -> str:
        store.verify(version)
        return statements.check(store.where, version, trust)

    return _state(check)


def check_everything() -> dict[str, str]:
    """Return each stored object (a version, a table, the ledger, a history) with its state: "sound" and how much was read,
    or what is damaged or missing. One damaged thing keeps none of the others from being checked."""
    settings = load_settings()
    store = Store(settings.tables)
    states: dict[str, str] = {}
    for table, lines in check_tables(store.where).items():
        name = table.removeprefix("_") if table.startswith("_") else f"log of {table}"
        states[name] = _summary(lines)
    for dataset in store.datasets():
        try:
            versions = store.versions(dataset)
        except ForPeople as error:
            states[f"versions of {dataset}"] = in_one_line(error, 2_000)
            continue
        for version in versions:
            states[str(version)] = _version_state(store, version)
    history = Location.of(settings.home.absolute() / "history")
    for table, lines in check_tables(history).items():
        indexes, damaged = check_indexes(Path(history.path(table)))
        states[f"history {table}"] = _summary(lines)
        if indexes or damaged:
            states[f"indexes of the history {table}"] = _summary(
                damaged, counted(indexes, "file"), MADE_AGAIN
            )
    states |= dict(_ledger(settings))
    home = settings.home.absolute()
    for what, fix, count, lines in (
        ("reports and notes", RESTORE_FILE, *HomeFiles(home).check()),
        ("stage outputs", MADE_AGAIN, *ShardStore(home).check()),
        ("indexes", MADE_AGAIN, *index.check(home / "indexes")),
        ("encodings", MADE_AGAIN, *vectors.check(home / "vectors")),
    ):
        if count or lines:
            states[what] = _summary(lines, counted(count, "file"), fix)
    return states


def forget_missing(home: Path) -> int:
    """Take derived files that somebody removed out of the catalogues, and return how many there were."""
    histories = [path for path in sorted((home / "history").glob("[!_.]*")) if path.is_dir()]
    folders = [home / "shards", home / "vectors", home / "indexes", *histories]
    return sum(DerivedFiles(folder).forget_missing() for folder in folders)


def _ledger(settings: Settings) -> Iterator[tuple[str, str]]:
    url = location(settings.ledger_url())
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        if any(Path(settings.home, name).exists() for name in ("tables", "shards", "history", "reports")):
            yield (
                "ledger",
                f"{url.database} is missing. {RESTORE_FILE}; without it every answer is paid for again",
            )
        return
    try:
        with Ledger.open(settings.ledger_url()) as ledger:
            calls, lines = ledger.verify()
    except ForPeople as error:
        yield "ledger", in_one_line(error, 2_000)
        return
    yield "ledger", _summary(lines, f"{counted(calls, 'call')}")


def _state(check: Callable[[], str]) -> str:
    try:
        return f"sound, {check()}"
    except (Corrupt, BadStatement) as error:
        return str(error)


def _summary(lines: list[str], read: str = "", fix: str = RESTORE_FILE) -> str:
    """Return the state of a stored object. `read`: how much of it was read."""
    if lines:
        return f"damaged: {'; '.join(lines)}. {fix}"
    return f"sound, {read}" if read else "sound"
