"""The command `review`: keys at a real terminal, hostile rows, a session that is resumed, and files."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.cli.review import Session
from storage.datasets.judgements import RowOpinion
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from tasks.review.session import ERROR_RATE, Review
from tests.e2e.processes import SCRIPT, clean_environment

HOSTILE = "What is 1 + 1? \x1b]0;owned\x07\x1b[2J\u202e right"


@pytest.fixture
def version(tmp_path: Path) -> Version:
    rows = [
        Row(HOSTILE if n == 0 else f"What is {n} + 1?", "en", solution=f"It is {n + 1}.", answer=f"{n + 1}",
            correctness=0.9, subdomain="sums", critique="looks fine")
        for n in range(6)
    ]  # fmt: skip
    return Store(tmp_path).publish("d", [to_table(rows)], lineage={})


def invoke(tmp_path: Path, *words: str, keys: str = "") -> Any:
    done = CliRunner().invoke(app, ["review", "d", *words], input=keys, env={"MATHMILL_HOME": str(tmp_path)})
    assert done.exit_code == 0, f"{done.exception!r}\n{done.output}"
    return done.stdout


def test_keys_judge_row_by_row_and_the_same_command_continues(tmp_path: Path, version: Version) -> None:
    first = invoke(tmp_path, "--as", "ada", "--second", "0", keys="r\nw\nq\n")
    assert first.count("Question\n") == 3
    assert "2 of 6 rows judged; 1 right, 1 wrong; ada 2" in first
    second = invoke(tmp_path, "--as", "ada", keys="u\ns\nr\nr\n")
    assert second.count("Question\n") == 4
    assert "There is no row left for you" in second
    given = Store(tmp_path).judgements("d")
    assert [one.opinion.value for one in given] == ["right", "wrong", "unclear", "skip", "right", "right"]
    assert len({one.row for one in given}) == 6
    assert {one.origin for one in given} == {"terminal"}
    assert len(Store(tmp_path).marks("d", ERROR_RATE)) == 2
    status = orjson.loads(invoke(tmp_path, "--json"))
    assert status["progress"]["judged"] == 5
    assert status["estimate"]["whole"]["judged"] == 4


def test_a_comment_an_edit_the_votes_and_the_way_back(tmp_path: Path, version: Version) -> None:
    review = Review.open(Store(tmp_path), version, second=0)
    keys = iter("c" + "v" + "es" + "w" + "r" + "b" + "u" + "q")
    Session(
        review,
        "ada",
        key=lambda: next(keys),
        text=lambda prompt: "off by one\n",
        edit=lambda text: text + " No.",
    ).run()
    first, second = review.drawn.ids[:2]
    given = Store(tmp_path).judgements("d")
    assert [(one.row, one.opinion) for one in given] == [
        (first, RowOpinion.WRONG),
        (second, RowOpinion.RIGHT),
        (second, RowOpinion.UNCLEAR),
    ]
    assert given[0].comment == "off by one"
    assert given[0].solution is not None
    assert given[0].solution.endswith(" No.")
    assert given[1].comment is None
    assert review.progress().opinions == {"right": 0, "wrong": 1, "unclear": 1, "skip": 0}


def test_votes_and_scores_are_shown_on_request_only(
    tmp_path: Path, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "looks fine" not in invoke(tmp_path, "--as", "ada", keys="q\n")
    keys = iter("vq")
    Session(Review.open(Store(tmp_path), version), "ada", key=lambda: next(keys)).run()
    assert "Critic: looks fine" in capsys.readouterr().out


@pytest.mark.slow
def test_judgements_travel_by_file(tmp_path: Path, version: Version) -> None:
    invoke(tmp_path, "--as", "ada", "--second", "0", keys="r\nw\nq\n")
    for format in ("jsonl", "argilla"):
        file = tmp_path / format
        invoke(tmp_path, "--export", str(file), "--format", format)
        other = tmp_path / f"home-{format}"
        Store(other).publish("d", [Store(tmp_path).read(version)], lineage={})
        assert "2 new judgements" in invoke(other, "--import", str(file))
        assert "2 of 6 rows judged" in invoke(other, "--status", "--second", "0")
    done = CliRunner().invoke(
        app, ["review", "d", "--export", str(tmp_path / "jsonl")], env={"MATHMILL_HOME": str(tmp_path)}
    )
    assert "is there already. Fix: " in str(done.exception)


@pytest.mark.slow
def test_at_a_real_terminal_single_keys_judge_and_hostile_text_stays_text(
    tmp_path: Path, version: Version
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s" "8" > "$1"\n')
    editor.chmod(0o755)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(SCRIPT), "review", "d", "--as", "ada", "--second", "0"],
        env=clean_environment(MATHMILL_HOME=str(tmp_path), EDITOR=str(editor), TERM="xterm"),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""

    def read_until(words: bytes, count: int) -> None:
        nonlocal seen
        deadline = time.monotonic() + 120
        while seen.count(words) < count:
            assert time.monotonic() < deadline, seen
            if select.select([ours], [], [], 1)[0]:
                with contextlib.suppress(OSError):  # the process has ended
                    seen += os.read(ours, 65_536)

    try:
        for number in range(5):
            read_until(b"[q] quit", number + 1)
            os.write(ours, b"r")
        read_until(b"[q] quit", 6)
        os.write(ours, b"\x1bOw")  # the sequence of a function key is no key
        time.sleep(0.5)
        os.write(ours, b"ea")
        read_until(b"[r] right or [w] wrong?", 1)
        os.write(ours, b"w")
        read_until(b"There is no row left", 1)
        read_until(b"Wrong rows", 1)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
        os.close(ours)
    text = seen.decode()
    assert "\\u001b]0;owned\\u0007\\u001b[2J\\u202e right" in text
    assert "\x1b]0;owned" not in text
    assert "\x1b[2J" not in text
    last = Store(tmp_path).judgements("d")[-1]
    assert (last.opinion, last.answer) == (RowOpinion.WRONG, "8")
