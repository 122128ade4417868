"""A corpus as a user starts it: versions of several kinds become whole documents, once, and a model is trained on them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import TEXT, Row, column, reasons_of, to_table
from tasks.training.student import Shape, fresh
from tests.e2e.processes import Home, balanced

pytestmark = pytest.mark.e2e

NOTICE = "This page is part of the open collection of the library and may be shared."
WORDS = (
    "sum",
    "product",
    "limit",
    "group",
    "ring",
    "field",
    "prime",
    "matrix",
    "vector",
    "space",
    "basis",
    "proof",
    "open",
    "compact",
    "linear",
    "map",
)


def passage(seed: int) -> str:
    choose = random.Random(seed)
    return f"The {' '.join(choose.choice(WORDS) for _ in range(60))} is number {seed}."


def chunk(number: int, chunk: int, text: str) -> Row:
    params = {"path": f"{number}.md", "sha256": f"{number:064d}", "chunk": chunk, "headings": []}
    return Row(text, "en", kind=TEXT, source=f"{number}.md", license="CC0", params=json.dumps(params))


def publish(store: Store, dataset: str, rows: Sequence[Row]) -> None:
    store.publish(dataset, [to_table(rows)], lineage={})


def test_versions_become_documents_once(home: Callable[..., Home], tmp_path: Path) -> None:
    one = home()
    store = Store(one.path)
    books = [chunk(n, 2, passage(100 + n)) for n in range(12)]
    books += [chunk(n, 1, f"{passage(n)}\n\n{NOTICE}") for n in range(12)]
    copies = [chunk(n, 1, f"{passage(50)}\n{passage(51)}\nCopied in {WORDS[n - 20]}.") for n in range(20, 32)]
    publish(store, "books", [*books, *copies, chunk(40, 1, NOTICE)])
    publish(store, "sums", [Row(f"{passage(60)} What is it?", "en", solution="It is 2.", license="MIT")])
    words = ("corpus", "books", "sums", "--dataset", "pre")
    version = one.json(*words)
    lineage = version["lineage"]
    assert lineage["flow"] == "corpus"
    balanced(lineage)
    rows = store.read("pre").to_pylist()
    texts = {row["question"] for row in rows}
    assert f"{passage(3)}\n\n{passage(103)}" in texts
    # twelve copies of one document count as one, so its lines stay
    assert sum(passage(50) in text for text in texts) == 1
    assert not any(NOTICE in text for text in texts)
    assert f"{passage(60)} What is it?\n\nIt is 2." in texts
    assert lineage["lines"] == {"boilerplate": 1, "removed": 13}
    tokens = {name: own["tokens"] for name, own in lineage["tokens"].items()}
    assert sum(tokens.values()) == sum(json.loads(row["params"])["tokens"] for row in rows)
    assert {name.partition("@")[0]: own["documents"] for name, own in lineage["tokens"].items()} == {
        "books": 13,
        "sums": 1,
    }
    assert [source["rows"] for source in lineage["inputs"]] == [37, 1]
    codes = [why.code for why in reasons_of(store.dropped(lineage["run"])) if why]
    assert codes.count("emptied") == 1
    assert one.json(*words)["lineage"]["run"] == lineage["run"]
    assert len(store.versions("pre")) == 1
    base = fresh(
        column(store.read("pre"), "question"), tmp_path / "base", seed=1, shape=Shape(32, 64, 2, 2, 512, 400)
    )
    out = tmp_path / "trained"
    cpt = ("train", "pre", "--method", "cpt", "--base", str(base), "--set", "steps=1", "--set", "batch=2")
    one.run(*cpt, "--set", "length=256", "--set", f"reference={base}", "--out", str(out))
    assert list(out.rglob("model.safetensors"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("corpus",), "setting versions: none is named. Fix: "),
        (("corpus", "books"), "setting dataset: no name is given. Fix: "),
        (("corpus", "nosuch", "--dataset", "x"), "there is no dataset 'nosuch'"),
        (("corpus", "books", "--dataset", "books"), "setting dataset: books is one of the datasets"),
        (("corpus", "books", "--dataset", "x", "--tokenizer", "/nosuch"), "setting tokenizer: "),
    ],
)
def test_what_is_missing_is_one_line_with_its_fix(
    home: Callable[..., Home], words: tuple[str, ...], line: str
) -> None:
    one = home()
    publish(Store(one.path), "books", [chunk(1, 1, passage(1))])
    done = one.run(*words, code=2)
    (last,) = [text for text in done.stderr.splitlines() if text.startswith("mathmill:")]
    assert line in last
