"""A night recorded at an earlier commit: today's code finds every completion of it in the ledger and publishes the same rows.

Strings that enter completion keys, seeds and content digests (prompt bodies, stage ids, the text that asks again) must not
change when code is renamed or moved. `ledger.jsonl.gz` holds the calls of the recorded night as `mathmill ledger export`
wrote them, `digest.txt` the digest of the version that it published, and `prompts` the prompts that it used, which replace
today's: so prompts may change, and the code between them may not change what is asked.

To record again, after a change that is meant to change what is asked (say so in CHANGELOG.md: it costs users their stored
completions): `python -m tests.e2e.test_recorded_night`.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from prompts import HERE, names
from tests.e2e.processes import SCRIPT, Home, clean_environment

DATA = Path(__file__).parents[1] / "data" / "recorded-night"
LEDGER, DIGEST, PROBE, PROMPTS = (
    DATA / "ledger.jsonl.gz",
    DATA / "digest.txt",
    DATA / "probe.jsonl",
    DATA / "prompts",
)
NIGHT = (
    "nightly", "--target", "12", "--set", "seed=11", "--set", f"weakness.probe={PROBE}",
    "--set", "generate.languages={en: 0.5, zh: 0.5}", "--set", "generate.waves=1",
    "--set", "generate.methods={self_instruct: 1}",
    "--set", "verify.known=0.05", "--set", "score.canaries=0", "--set", "solve.canaries=0", "--json",
)  # fmt: skip


@pytest.mark.slow
def test_the_recorded_night_asks_for_nothing_and_has_its_digest(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    calls = tmp_path / "ledger.jsonl"
    calls.write_bytes(gzip.decompress(LEDGER.read_bytes()))
    again = home(MATHMILL_PROMPTS=str(PROMPTS), MATHMILL_SANDBOX_WORKERS="2", MATHMILL_ANSWER_WORKERS="2")
    again.run("ledger", "import", str(calls))
    # neither the number of workers nor that of the rows in a shard changes what is published
    version = again.json(*NIGHT, "--set", "shard_rows=9", "--offline")
    assert sum(line["failed"] for line in version["lineage"]["funnel"]) == 0
    assert len(version["lineage"]["prompt_overlay"]) == len(names(PROMPTS))
    assert version["digest"] == DIGEST.read_text().strip()


def record() -> None:
    """Run the night in a new home and keep its calls, its prompts and its digest."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", clean_environment(MATHMILL_HOME=f"{folder}/home"))
        version = home.json(*NIGHT)
        subprocess.run(
            [SCRIPT, "ledger", "export", f"{folder}/ledger.jsonl"], env=home.environment, check=True
        )
        with open(f"{folder}/ledger.jsonl", "rb") as calls, gzip.GzipFile(LEDGER, "wb", mtime=0) as packed:
            shutil.copyfileobj(calls, packed)
    shutil.rmtree(PROMPTS, ignore_errors=True)
    PROMPTS.mkdir()
    for name in names():
        shutil.copyfile(HERE / f"{name}.md", PROMPTS / f"{name}.md")
    DIGEST.write_text(f"{version['digest']}\n")
    print(f"recorded {version['digest']}", file=sys.stderr)


if __name__ == "__main__":
    record()
