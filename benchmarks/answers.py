"""Judge pairs of answers by kind (tests/tasks/answers/pairs), and compare the judge with plain math-verify.

    python -m benchmarks.answers [--quick]

Prints, per kind, how many equal pairs were missed (called different, or unknown) and how many different pairs were called
equal, for the judge and for math-verify, which has no "unknown". Exits with 1 if the judge calls a different pair equal that
math-verify distinguishes, or if it misses more than half as many pairs as math-verify.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from pathlib import Path

from math_verify import parse, verify

from tasks.answers import Judge

PAIRS = Path(__file__).resolve().parents[1] / "tests" / "tasks" / "answers" / "pairs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every fifth pair")
    step = 5 if parser.parse_args().quick else 1
    logging.disable(logging.WARNING)  # math-verify logs every timeout
    total: Counter[str] = Counter()
    print(
        f"{'kind':20} {'equal':>6} {'differ':>6} {'missed':>7} {'unknown':>8} {'false':>6}   math-verify: missed false"
    )
    with Judge(workers=1) as judge:
        for path in sorted(PAIRS.glob("*.tsv")):
            rows = [line.split("\t") for line in path.read_text("utf-8").splitlines() if line.strip()][::step]
            verdicts = judge.equal([(a, b) for a, b, _ in rows])
            counts: Counter[str] = Counter()
            for (a, b, truth), verdict in zip(rows, verdicts, strict=True):
                theirs = plain(a, b)
                counts[truth] += 1
                counts["missed"] += truth == "equal" and verdict == "different"
                counts["not known"] += truth == "equal" and verdict == "unknown"
                counts["false"] += truth == "different" and verdict == "equal"
                counts["their missed"] += truth == "equal" and not theirs
                counts["their false"] += truth == "different" and theirs
                counts["worse"] += truth == "different" and verdict == "equal" and not theirs
            total += counts
            print(shown(path.stem, counts))
    print(shown("all", total))
    missed = total["missed"] + total["not known"]
    target = max(total["their missed"] // 2, 0)
    lines = [
        f"equal pairs missed: {missed} pairs, math-verify {total['their missed']}, "
        f"ratio {missed / max(total['their missed'], 1):.3f}, target 0.5, {'ok' if missed <= target else 'short'}",
        f"different pairs called equal that math-verify tells apart: {total['worse']} pairs, math-verify 0, "
        f"ratio {total['worse']:.1f}, target 0, {'ok' if not total['worse'] else 'short'}",
    ]
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def shown(name: str, counts: Counter[str]) -> str:
    return (
        f"{name:20} {counts['equal']:6} {counts['different']:6} {counts['missed']:7} {counts['not known']:8} "
        f"{counts['false']:6} {counts['their missed']:20} {counts['their false']:5}"
    )


def plain(a: str, b: str) -> bool:
    return bool(verify(parse(f"${b}$"), parse(f"${a}$")))


if __name__ == "__main__":
    sys.exit(main())
