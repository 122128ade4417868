"""Compare the deduplication of short questions with datasketch, rensa's deduplicator and datatrove's MinHash.

    python -m benchmarks.dedup [--quick] [--datatrove PYTHON]

Settings: word 3-grams, Jaccard >= 0.7; a quarter of the rows are planted copies. A method names the rows that are similar to
an earlier one; the planting gives the true ones. The methods run one after the other, each in its own process. Ratios are of
CPU time, which other processes on the machine affect least; seconds are wall time. PYTHON is an interpreter with datatrove,
whose requirements conflict with those of this project; without it datatrove is left out. The CPU time of datatrove is that of
its parent process only, so compare its seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted import planted
from benchmarks.requirements import require

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Run:
    method: str
    rows: int
    seconds: float
    cpu: float
    peak: int
    recall: float
    precision: float

    def line(self) -> str:
        return (
            f"{self.method:<12}{self.rows:>10,}{self.seconds:>9.1f}{self.cpu / self.rows * 1e6:>11.1f}"
            f"{self.peak / 1e9:>9.2f}{self.recall:>9.3f}{self.precision:>11.3f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 rows; ends within a minute")
    parser.add_argument("--datatrove", metavar="PYTHON", help="interpreter of an environment with datatrove")
    parser.add_argument("--rows", type=int, default=1_000_000, help="the largest size")
    options = parser.parse_args()
    require("rensa")
    last = 20_000 if options.quick else options.rows
    sizes = [size for size in (10_000, 100_000) if size < last] + [last]
    peers = {min(last, 100_000): ["datasketch", "rensa", "datatrove"]}
    # at the largest size, only the peers that have a target
    peers.setdefault(last, ["datasketch", "rensa"])
    print(
        f"{'method':<12}{'rows':>10}{'seconds':>9}{'CPU us/row':>11}{'peak GB':>9}{'recall':>9}{'precision':>11}"
    )
    runs: dict[tuple[str, int], Run] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            (block,) = planted(size)
            copies = set(block.later)
            path = Path(folder) / f"{size}.txt"
            path.write_text("\n".join(block.texts.to_pylist()), encoding="utf-8")
            del block
            for method in ["exact", "sketch", *peers.get(size, [])]:
                python = options.datatrove if method == "datatrove" else sys.executable
                if python is None:
                    print("datatrove   left out: give --datatrove PYTHON")
                    continue
                runs[method, size] = run(python, method, path, size, copies)
                print(runs[method, size].line(), flush=True)
    lines = targets(runs, sizes)
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def targets(runs: dict[tuple[str, int], Run], sizes: list[int]) -> list[str]:
    middle, large = sizes[-2:]
    exact, sketch, datasketch, rensa = (
        runs[name, large] for name in ("exact", "sketch", "datasketch", "rensa")
    )
    growth = exact.cpu / runs["exact", middle].cpu
    allowed = 10.5 * large / middle / 10
    both = min(exact.recall, exact.precision)
    lines = [
        f"exact recall and precision: {both:.4f} share, datasketch {min(datasketch.recall, datasketch.precision):.4f}, "
        f"ratio {both / min(datasketch.recall, datasketch.precision):.2f}, target 1.0, {'ok' if both == 1 else 'short'}",
        faster("exact", exact, datasketch, 5.0),
        faster("exact", exact, rensa, 1.1),
        faster("sketch", sketch, datasketch, 12.0),
    ]
    if large < 1_000_000:
        return lines  # imports take most of the time of a small run
    return [
        *lines,
        f"exact peak: {exact.peak / 1e9:.2f} GB, datasketch {datasketch.peak / 1e9:.2f}, "
        f"ratio {exact.peak / datasketch.peak:.2f}, target 0.6, {'ok' if exact.peak <= 0.6 * datasketch.peak else 'short'}",
        f"exact growth {middle:,} to {large:,}: {exact.cpu:.1f} s, at first {runs['exact', middle].cpu:.1f}, "
        f"ratio {growth:.1f}, target {allowed:.1f}, {'ok' if growth <= allowed else 'short'}",
    ]


def faster(name: str, ours: Run, peer: Run, target: float) -> str:
    ratio = peer.cpu / ours.cpu
    return (
        f"{name} over {peer.method} at {ours.rows:,}: {ours.cpu / ours.rows * 1e6:.1f} CPU us/row, "
        f"{peer.method} {peer.cpu / peer.rows * 1e6:.1f}, ratio {ratio:.1f}, target {target}, "
        f"{'ok' if ratio >= target else 'short'}"
    )


def run(python: str, method: str, texts: Path, rows: int, copies: set[int]) -> Run:
    out = texts.with_name(f"{method}.json")
    subprocess.run(
        [python, "-m", "benchmarks.dedup_methods", method, str(texts), str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    result = json.loads(out.read_bytes())
    later = set(result["later"])
    hits = len(later & copies)
    return Run(
        method,
        rows,
        result["seconds"],
        result["cpu"],
        result["peak"],
        hits / max(len(copies), 1),
        hits / max(len(later), 1),
    )


if __name__ == "__main__":
    sys.exit(main())
