"""Bad input: one clear line with the mend, exit code 2, nothing half-published."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Home, Teacher, fetch, free_port

pytestmark = pytest.mark.e2e

SMALL = ("nightly", "--target", "20", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore")


@pytest.fixture(scope="module")
def one(home: Callable[..., Home]) -> Home:
    return home()


def refused(home: Home, *words: str, **more: str) -> str:
    """The one line on standard error of a command that must end with exit code 2."""
    done = home.run(*words, code=2, **more)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("mathmill: ")]
    assert len(lines) == 1, done.stderr
    assert "@" not in done.stdout
    return lines[0]


def test_bad_seed_files_are_all_named(one: Home, tmp_path: Path) -> None:
    """Each kind of bad file has its own test beside tasks/stages/ingest.py; here they stop a night."""
    (tmp_path / "columns.jsonl").write_text('{"colour": "red"}\n')
    (tmp_path / "empty.jsonl").write_text("")
    seeds = [
        word
        for name in ("missing", "columns", "empty")
        for word in ("--seeds", str(tmp_path / f"{name}.jsonl"))
    ]
    line = refused(one, *SMALL, *seeds)
    for words in ("missing.jsonl", "columns.jsonl", "empty.jsonl"):
        assert words in line
    assert one.json("datasets") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nightly", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("nightly", "--set", "score.scorers=[taste]"), "unknown scorer 'taste'"),
        (("nightly", "--set", "decontaminate.benchmarks=[nowhere.jsonl]"), "there is no nowhere.jsonl"),
        (("show", "math-sft@1999.01.01"), "math-sft"),
        (("why", "abc"), "too short"),
        (("sql", "SELECT 1"), "nightly"),
    ],
)
def test_wrong_words(one: Home, words: tuple[str, ...], expected: str) -> None:
    assert expected in refused(one, *words)


def test_an_endpoint_that_is_not_there(one: Home) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    line = refused(one, *SMALL, MATHMILL_TEACHER__MODEL="m", MATHMILL_TEACHER__BASE_URL=url)
    assert "MATHMILL_TEACHER__BASE_URL" in line
    assert "127.0.0.1" in line


def test_a_wrong_key_is_named_but_not_shown(one: Home, guarded: Teacher) -> None:
    line = refused(
        one,
        *SMALL,
        MATHMILL_TEACHER__MODEL="embedded",
        MATHMILL_TEACHER__BASE_URL=guarded.url,
        MATHMILL_TEACHER__API_KEY="sk-wrong-key",
    )
    assert "MATHMILL_TEACHER__API_KEY" in line
    assert "sk-wrong-key" not in line


def test_an_unknown_model(one: Home, teacher: Callable[[], Teacher]) -> None:
    line = refused(one, *SMALL, MATHMILL_TEACHER__MODEL="nobody", MATHMILL_TEACHER__BASE_URL=teacher().url)
    assert "MATHMILL_TEACHER__MODEL" in line


def test_a_home_that_cannot_be_written(one: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refused(one, *SMALL, MATHMILL_HOME=str(tmp_path / "file" / "home"))
    assert "MATHMILL_HOME" in line


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


# tests/flows/test_refusals.py has the refusal, test_kill.py the next run
@pytest.mark.soak
def test_a_full_disk_loses_nothing(one: Home, small_disk: Path) -> None:
    disk = Home(small_disk / "mathmill", one.environment | {"MATHMILL_HOME": str(small_disk / "mathmill")})
    line = refused(disk, *SMALL)
    assert "disk" in line or "space" in line
    assert disk.json("datasets") == []
    # room again: the night goes on where it stopped
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert disk.json(*SMALL)["rows"] == 20


@pytest.fixture
def guarded(teacher: Callable[..., Teacher]) -> Teacher:
    """A teacher that asks for a key."""
    return teacher(MATHMILL_SERVE_API_KEY="sk-right-key")


def test_a_right_key_is_written_nowhere(
    home: Callable[..., Home], guarded: Teacher, prefect_api: str, tmp_path: Path
) -> None:
    """In a night with a bad row among its seeds, which costs only itself."""
    path = tmp_path / "seeds.jsonl"
    good = '{"question": "What is 12 + 30?", "answer": "It is 42. #### 42"}\n'
    path.write_text(good + "{broken\n" + '{"question": ""}\n')
    key = "sk-right-key"
    one = home(
        MATHMILL_TEACHER__MODEL="embedded",
        MATHMILL_TEACHER__BASE_URL=guarded.url,
        MATHMILL_TEACHER__API_KEY=key,
    )
    done = one.run(*SMALL, "--seeds", str(path), "--json")
    night = json.loads(done.stdout)
    assert night["rows"] == 20
    ingest = night["lineage"]["funnel"][0]
    assert (ingest["stage"], ingest["rejected"]) == ("ingest", 2)
    assert {"file": "seeds.jsonl", "kept": 1, "rejected": 2}.items() <= night["lineage"]["inputs"][-1].items()
    one.run("export", "math-sft", str(one.path.parent / "out"))
    assert key not in done.stdout + done.stderr
    written = [path for path in one.path.parent.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if key.encode() in path.read_bytes()] == []
    newest = fetch(f"{prefect_api}/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 100})
    (run,) = [run for run in newest if str(path) in json.dumps(run["parameters"])]
    assert key not in json.dumps(run)
    ours = {"flow_run_id": {"any_": [run["id"]]}}
    for what, chosen in (
        ("logs", {"logs": ours}),
        ("artifacts", {"artifacts": ours}),
        ("task_runs", {"flow_runs": {"id": {"any_": [run["id"]]}}}),
    ):
        objects = fetch(f"{prefect_api}/{what}/filter", chosen | {"limit": 200})
        assert len(objects) > 1, what
        assert key not in json.dumps(objects)
