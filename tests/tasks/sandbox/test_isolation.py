"""The sandbox fails closed: without isolation, or with a hole in it, no program is executed."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tasks.sandbox import (
    Isolation,
    Limits,
    Sandbox,
    SandboxUnavailable,
    cgroup,
    isolate,
    isolation,
    selftest,
    syscalls,
)
from tasks.sandbox.process import Process

REPOSITORY = Path(__file__).resolve().parents[3]
needs_isolation = pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")
ALLOW_ALL = bytes.fromhex("060000000000ff7f")  # one instruction: return SECCOMP_RET_ALLOW


def test_without_bubblewrap_nothing_runs_and_the_fix_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    state = isolation()
    assert (state.ok, state.detail) == (False, "bubblewrap is missing")
    with pytest.raises(
        SandboxUnavailable, match=r"^sandbox unavailable: .*apt-get install bubblewrap"
    ) as caught:
        Sandbox().__enter__()
    assert "\n" not in str(caught.value)


@needs_isolation
def test_where_user_namespaces_are_off_nothing_runs_and_the_fix_is_named():
    code = "from tasks.sandbox import *\nwith Sandbox(workers=1) as box: print('RAN', box.run(['print(1)']))"
    command = [
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--unshare-user",
        "--disable-userns",
        sys.executable,
        "-c",
        code,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=120)
    assert "SandboxUnavailable" in done.stderr.splitlines()[-1]
    assert "user.max_user_namespaces" in done.stderr.splitlines()[-1]
    assert "RAN" not in done.stdout


@pytest.mark.slow
@needs_isolation
def test_the_self_test_passes_unchanged():
    process = Process(Limits())
    try:
        selftest.prove(process)
    finally:
        process.kill()


@pytest.mark.slow
@needs_isolation
@pytest.mark.parametrize(
    ("hole", "hole_name"),
    [("inner", "fork"), ("view", "pyproject.toml"), ("environment", "environment")],
)
def test_the_self_test_finds_a_hole(monkeypatch, hole, hole_name):
    if hole == "inner":
        monkeypatch.setattr(syscalls, "inner", lambda: ALLOW_ALL)
    elif hole == "view":
        whole = isolate.bound()
        monkeypatch.setattr(isolate, "bound", lambda: [*whole, REPOSITORY / "pyproject.toml"])
    else:
        inside = isolate.INSIDE
        copy = Path(os.environ.get("TMPDIR", "/tmp")) / f"sandbox-inside-{os.getpid()}"
        shutil.copytree(inside, copy)
        server = copy / "server.py"
        server.write_text(server.read_text().replace("os.environ.clear()", "pass"))
        copy.chmod(0o755)
        monkeypatch.setattr(isolate, "INSIDE", copy)
    process = Process(Limits())
    try:
        with pytest.raises(SandboxUnavailable, match=f"could escape: .*{hole_name}"):
            selftest.prove(process)
    finally:
        process.kill()
        if hole == "environment":
            shutil.rmtree(copy)


@pytest.mark.slow
@needs_isolation
def test_no_filter_at_all_is_seen_from_outside(monkeypatch):
    monkeypatch.setattr(syscalls, "outer", lambda: ALLOW_ALL)
    process = Process(Limits())
    try:
        status = Path(f"/proc/{process.first_pid}/status").read_text()
        uids = {int(uid) for uid in status.split("Uid:\t")[1].split("\n")[0].split()}
        assert 0 not in uids
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
    finally:
        process.kill()


@pytest.mark.slow
@needs_isolation
def test_a_dead_isolation_is_replaced_and_its_program_run_again():
    with Sandbox(Limits(wall_s=5), workers=1) as box:
        first = box._worker_threads[0].process
        assert first is not None
        assert first.first_pid is not None
        os.kill(first.first_pid, signal.SIGKILL)
        (result,) = box.run(["print(6 * 7)"])
        assert (result.verdict, result.answer) == ("ok", "42")
        assert box._worker_threads[0].process is not first


@pytest.mark.slow
@needs_isolation
def test_when_no_isolation_comes_up_again_the_verdict_is_infra(monkeypatch):
    with Sandbox(Limits(wall_s=5), workers=1) as box:
        first = box._worker_threads[0].process
        assert first is not None
        assert first.first_pid is not None
        monkeypatch.setenv("PATH", "/nonexistent")
        os.kill(first.first_pid, signal.SIGKILL)
        (result,) = box.run(["print(6 * 7)"])
    assert result.verdict == "infra"
    assert result.answer is None


@pytest.mark.slow
@needs_isolation
def test_closing_ends_what_runs_and_what_waits():
    with Sandbox(Limits(wall_s=600), workers=1) as box, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(box.run, ["while True: pass"] * 3)
        while box._jobs.qsize() > 2 or not waiting.running():
            time.sleep(0.01)
        box.close()
        verdicts = [result.verdict for result in waiting.result(timeout=60)]
    assert verdicts == ["infra"] * 3


def test_unavailability_keeps_its_fix_between_processes():
    error = SandboxUnavailable(Isolation(False, "bubblewrap is missing", "apt-get install bubblewrap"))
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.isolation) == (str(error), error.isolation)


@pytest.mark.slow
@needs_isolation
def test_killing_the_parent_ends_every_child():
    code = (
        "from tasks.sandbox import *\n"
        "with Sandbox(Limits(wall_s=600), workers=2) as box:\n"
        "    print('up', flush=True); box.run(['while True: pass'] * 2)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    time.sleep(0.5)
    below = psutil.Process(parent.pid).children(recursive=True)
    assert len(below) >= 4
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(below, timeout=30)
    assert alive == []


@pytest.mark.slow
@needs_isolation
def test_a_group_is_made_where_it_can_be_and_removed():
    if not cgroup.places():
        pytest.skip("no control group can be made by this user here")
    with Sandbox(Limits(memory_mb=100), workers=1) as box:
        process = box._worker_threads[0].process
        assert process is not None
        assert process.group is not None
        folders = process.group.folders
        for folder in folders.values():
            assert str(process.first_pid) in (folder / "cgroup.procs").read_text().split()
    assert not any(folder.exists() for folder in folders.values())


def test_an_installed_project_is_masked(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    (site / "tasks").mkdir(parents=True)
    monkeypatch.setattr(isolate, "PROJECT", site)
    assert isolate._masked([tmp_path]) == [site / "tasks"]
    assert isolate._masked([Path("/usr/lib")]) == []


def test_a_checkout_that_programs_could_read_is_refused(monkeypatch):
    monkeypatch.setattr(isolate, "PROJECT", Path(os.__file__).parent / "checkout")
    state = isolation()
    assert not state.ok
    assert "move the checkout" in str(state.fix)


@needs_isolation
def test_a_group_counts_whom_the_kernel_killed_for_memory():
    if "memory" not in cgroup.places():
        pytest.skip("no control group for memory can be made by this user here")
    code = "input(); x = b'x' * (400 << 20); print('kept')"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        group = cgroup.enclose(one.pid, Limits(memory_mb=100))
        assert group is not None
        try:
            assert group.memory_kills() == 0
            out, _ = one.communicate(b"\n", timeout=60)
            assert (one.returncode, out) == (-signal.SIGKILL, b"")
            assert group.memory_kills() == 1
        finally:
            group.remove()
