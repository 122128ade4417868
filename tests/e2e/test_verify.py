"""`verify` on a real home: every flipped bit and every removed file is named, or does no harm and is known to do none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.runner.checks import check_everything
from storage.errors import ForPeople
from storage.ledger import Ledger
from tasks.seeding import rng_of
from tests.e2e.processes import Home

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

NIGHT = ("nightly", "--target", "20", "--set", "weakness.share=0")

# Harmless by construction. Flips and removals: nothing that is published is read from Prefect's database, the logs and the progress of
# runs, which the page shows while they go.
NOT_OURS = ("prefect/", "live/", "server.log", "prefect.starting")
# What is gone is made again, out of the ledger or out of the tables, at no cost; it is named all the same.
MADE_AGAIN = ("shards/", "vectors/", "history/math-sft/_indexes/", "indexes/")


def kind_of(name: str) -> str:
    top, last = name.split("/")[0], name.split("/")[-1]
    if top in ("tables", "history"):
        top = "/".join(name.split("/")[:2])
        top += " log" if "_delta_log" in name else " index" if "_indexes" in name else ""
    return f"{top} {Path(last).suffix or last}" if "/" in name else name


def answers(home: Path) -> list[object] | None:
    """Everything that the ledger would give; None where it refuses."""
    try:
        with Ledger.open(home / "ledger.sqlite") as ledger:
            return list(ledger.every())
    except ForPeople:
        return None


class Count:
    """Of one kind of file."""

    def __init__(self) -> None:
        self.tried = self.named = self.harmless = 0
        self.missed: list[str] = []

    def __str__(self) -> str:
        return f"{self.tried} tried, {self.named} named, {self.harmless} harmless, {len(self.missed)} missed"


def damaged(home: Path, flips: int, removals: int) -> dict[str, Count]:
    """Flip a bit of a file, or remove it, one at a time, and ask what `verify` says."""
    rng = rng_of("damage of a home", flips, removals)
    files = [path for path in sorted(home.rglob("*")) if path.is_file() and path.stat().st_size]
    whole = answers(home)
    sound = check_everything()
    assert {state for state in sound.values() if not state.startswith("sound")} == set()
    kinds: dict[str, Count] = {}
    for index in range(flips + removals):
        path = files[rng.randrange(len(files))]
        name, data, flip = path.relative_to(home).as_posix(), path.read_bytes(), index < flips
        place = rng.randrange(8 * len(data))
        if flip:
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            path.write_bytes(changed)
        else:
            path.unlink()
        unsound = {what: state for what, state in check_everything().items() if not state.startswith("sound")}
        lines = "\n".join(unsound.values())
        count = kinds.setdefault(f"{'flip' if flip else 'removal'}, {kind_of(name)}", Count())
        count.tried += 1
        if path.name in lines or (name == "ledger.sqlite" and "ledger" in unsound):
            assert "Fix: " in lines
            assert all(state.count("\n") == 0 for state in unsound.values())
            assert name.startswith(MADE_AGAIN) <= ("Nothing is lost: this is derived data" in lines)
            count.named += 1
        elif name.startswith(NOT_OURS):
            count.harmless += 1
            assert unsound == {}
        elif name == "ledger.sqlite" and flip and answers(home) == whole:
            count.harmless += 1  # a bit that holds no record
        else:
            count.missed.append(f"{name}, bit {place}: {unsound}")
        for extra in home.glob("ledger.sqlite-*"):
            extra.unlink()
        path.write_bytes(data)
    assert check_everything() == sound
    return kinds


def test_four_hundred_flips_and_forty_removals_of_a_real_home(
    home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = home()
    one.run(*NIGHT)
    one.run(*NIGHT)  # the second has an index of what the first published, and a comparison
    monkeypatch.setenv("MATHMILL_HOME", str(one.path))
    kinds = damaged(one.path, 400, 40)
    with capsys.disabled():
        print(*(f"\n{kind}: {count}" for kind, count in sorted(kinds.items())), sep="")
    assert [missed for count in kinds.values() for missed in count.missed] == []
