"""The files that a night reads: its seeds and its probe."""

from __future__ import annotations

from pathlib import Path

from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.settings import ROOT

SEEDS = ROOT / "seeds"


def seed_files(config: Nightly) -> list[Path]:
    """Return the files of seeds. Raises ConfigError if there are none."""
    files = [SEEDS / "en.jsonl", SEEDS / "zh.jsonl"] if config.seeds.own else []
    files += [Path(path) for path in config.seeds.files]
    if not files:
        raise ConfigError("seeds: there are none. Fix: give --seeds FILE, or set seeds.own=true")
    return files


def probe_file(config: Nightly) -> Path:
    """Return the file of the questions that the student is asked."""
    return Path(config.weakness.probe) if config.weakness.probe else SEEDS / "probe.jsonl"
