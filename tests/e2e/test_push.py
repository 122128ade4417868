"""`mathmill push` as a user starts it, with `huggingface_hub` itself against a hub on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tests.e2e.hub import WritableHub, serving
from tests.e2e.processes import Home

pytestmark = pytest.mark.e2e
TOKEN = "hf_QxZk7PlmVbTyRwSd93Nf"
ROWS = [
    Row(
        f"What is {n} + 1?", "en", solution=f"\\boxed{{{n + 1}}}", solution_format="cot", answer=str(n + 1),
        reference_answer=str(n + 1), subdomain="addition", license="MIT",
    )
    for n in range(30)
]  # fmt: skip


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with serving(WritableHub(TOKEN)) as hub:
        yield hub


@pytest.fixture
def push(home: Callable[..., Home], hub: WritableHub, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Return a function that pushes, and returns exit code, output and errors; no output ever has the token."""
    one = home()
    Store(one.path).publish("d", [to_table(ROWS)], lineage={"licenses": {"MIT": 30}})

    def run(*words: str, token: str = TOKEN) -> tuple[int, str, str]:
        done = one.script(
            "push", "d", *words, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"), HF_HUB_OFFLINE="0",
            HF_HUB_DISABLE_XET="1", MATHMILL_HUB_TOKEN=token, HF_TOKEN="",
        )  # fmt: skip
        if token:
            assert token not in done.stdout + done.stderr
        if done.returncode:
            assert len([line for line in done.stderr.splitlines() if "Fix: " in line]) == 1, done.stderr
            assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_version_is_one_private_commit_with_its_tag(
    push: Callable[..., tuple[int, str, str]], hub: WritableHub, tmp_path: Path
) -> None:
    code, out, errors = push("me/sums")
    assert code == 0, errors
    one = hub.repositories["me/sums"]
    assert one.private
    assert len(one.commits) == 1
    name = one.commits[0].partition("@")[2].partition(",")[0]
    assert one.tags == {name: one.head}
    front = yaml.safe_load(one.files["README.md"].decode().split("---")[1])
    assert (front["license"], front["language"], front["size_categories"]) == ("mit", ["en"], ["n<1K"])
    (data,) = [file for file in one.files if file.startswith("data/")]
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.jsonl"}]
    assert len(one.files[data].splitlines()) == 30
    assert json.loads(one.files["croissant.json"])["url"] == f"{hub.url}/datasets/me/sums"
    assert f"{hub.url}/datasets/me/sums (private)" in out

    code, _, errors = push("me/sums", token="hf_WrOnGtOkEn1234567890")
    assert code == 2
    assert "Fix: set MATHMILL_HUB_TOKEN to a valid token" in errors
    # another shape of the version: old data goes, other files stay, the tag of the first commit is not moved
    one.files["notes.txt"] = b"mine"
    first = one.tags[name]
    assert push("me/sums", "--files", "parquet", "--json")[0] == 0
    assert data not in one.files
    assert [file for file in one.files if file.startswith("data/")] == ["data/train-00000-of-00001.parquet"]
    assert one.files["notes.txt"] == b"mine"
    assert (one.tags[name], len(one.tags)) == (first, 2)
    assert TOKEN not in repr(one.files)


def test_an_environment_is_pushed_with_its_verifier(
    push: Callable[..., tuple[int, str, str]], hub: WritableHub
) -> None:
    assert push("me/env", "--format", "trl-grpo", "--where", "answer > '2'")[0] == 0
    files = hub.repositories["me/env"].files
    assert {
        "README.md",
        "croissant.json",
        "lineage.json",
        "reward.py",
        "mathmill_verifier/__init__.py",
    } <= set(files)
    answers = {json.loads(line)["answer"] for line in files["data/train.jsonl"].splitlines()}
    assert answers == {str(n + 1) for n in range(30) if str(n + 1) > "2"}
