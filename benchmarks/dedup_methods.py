"""The methods of deduplication that benchmarks.dedup compares, each run in its own process.

    python -m benchmarks.dedup_methods METHOD TEXTS OUT

TEXTS has one text per line. OUT gets JSON: `later`, the rows that the method finds to be similar to an earlier one (for
datatrove: the rows that it would remove), `seconds`, `cpu` seconds, and the `peak` memory in bytes of the process and its
children. Reading the texts and imports are not timed.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THRESHOLD, PERMUTATIONS, N = 0.7, 128, 3
Method = Callable[[list[str]], Any]


def exact() -> Method:
    from tasks.dedup import jaccard

    return lambda texts: jaccard.similar_pairs(texts, None, threshold=THRESHOLD, n=N).right.tolist()


def sketch() -> Method:
    from tasks.dedup import lsh

    return lambda texts: lsh.similar_pairs(texts, None, threshold=THRESHOLD, n=N).right.tolist()


def datasketch() -> Method:
    """Run datasketch as documented: one MinHash per text by update_batch, then MinHashLSH, query before insert."""
    from datasketch import MinHash, MinHashLSH

    def run(texts: list[str]) -> list[int]:
        index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
        first = MinHash(num_perm=PERMUTATIONS)
        later = []
        for row, text in enumerate(texts):
            minhash = MinHash(num_perm=PERMUTATIONS, permutations=first.permutations, scheme=first.scheme)
            minhash.update_batch([gram.encode() for gram in shingles(text)])
            if index.query(minhash):
                later.append(row)
            index.insert(row, minhash)
        return later

    return run


def rensa() -> Method:
    """Run rensa's deduplicator on the shingles of one block of texts at a time."""
    from rensa import RMinHash, RMinHashDeduplicator

    def run(texts: list[str]) -> list[int]:
        index = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True)
        later = []
        for begin in range(0, len(texts), 4096):
            sets = [shingles(text) for text in texts[begin : begin + 4096]]
            sketches = RMinHash.from_token_sets(sets, PERMUTATIONS, 42)
            for row, sketch in enumerate(sketches, begin):
                if not index.add(str(row), sketch):
                    later.append(row)
        return later

    return run


def datatrove() -> Method:
    """Run datatrove's MinHash pipeline with two workers on words between spaces (its own tokenizer would be slower)."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import minhash
    from datatrove.utils.text import TextNormConfig
    from loguru import logger

    logger.remove()
    minhash.load_word_tokenizer = lambda language: Plain()
    config = minhash.MinhashConfig(n_grams=N, norm_config=TextNormConfig(norm_numbers=False))

    def run(texts: list[str]) -> list[int]:
        half = -(-len(texts) // 2)

        def read(data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
            for row in range(rank * half, min((rank + 1) * half, len(texts))):
                yield Document(text=texts[row], id=str(row))

        folder = tempfile.mkdtemp()
        steps = (
            ([read, minhash.MinhashDedupSignature(f"{folder}/sigs", config)], 2),
            ([minhash.MinhashDedupBuckets(f"{folder}/sigs", f"{folder}/pairs", config=config)], 14),
            ([minhash.MinhashDedupCluster(f"{folder}/pairs", f"{folder}/out", config=config)], 1),
        )
        for number, (pipeline, tasks) in enumerate(steps):
            LocalPipelineExecutor(
                pipeline, tasks=tasks, workers=2, logging_dir=f"{folder}/log{number}", skip_completed=False
            ).run()
        later = []
        for rank in range(2):
            path = Path(f"{folder}/out/{rank:06d}.remove")
            data = memoryview(path.read_bytes()).cast("I") if path.exists() else []
            later += [rank * half + row for row in data]
        shutil.rmtree(folder)
        return later

    return run


class Plain:
    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[at : at + N]) for at in range(max(1, len(words) - N + 1))]


METHODS = {method.__name__: method for method in (exact, sketch, datasketch, rensa, datatrove)}


def main() -> None:
    method, texts, out = sys.argv[1:]
    run = METHODS[method]()
    rows = Path(texts).read_text(encoding="utf-8").splitlines()
    before, start = cpu(), time.perf_counter()
    later = sorted(set(run(rows)))
    seconds = time.perf_counter() - start
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    peak = sum(one.ru_maxrss for one in usage) * 1024
    result = {"later": later, "seconds": seconds, "cpu": cpu() - before, "peak": peak}
    Path(out).write_text(json.dumps(result), encoding="utf-8")


def cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


if __name__ == "__main__":
    main()
