"""Commands forked off a process that has imported what most of them import: 4 to 10 s of CPU for each one otherwise,
a third of the suite. Each has an environment, a folder and a session of its own, as the console script has."""

from __future__ import annotations

import atexit
import functools
import multiprocessing as mp
import os
import subprocess
import sys
import traceback
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from flows.runner.environment import defaults

# flows read it when they are imported; a server of its own is known after Prefect's import only
READ_AT_IMPORT = "MATHMILL_RUNNER"
PRELOADED = [
    "prefect", "flows.cli.app", "flows.nightly", "flows.evaluate", "flows.cli.summary", "tasks.teacher.app", "math_verify",
    "matplotlib.backends.backend_agg", "duckdb", "sentence_transformers",
]  # fmt: skip
_HOME = TemporaryDirectory(prefix="prefect-")  # of the forking process; a command has the one of its own home


def can_be_forked(environment: dict[str, str]) -> bool:
    return "PREFECT_API_URL" in environment and READ_AT_IMPORT not in environment


def run_forked(
    words: tuple[str, ...],
    environment: dict[str, str],
    folder: Path,
    within_s: float,
    program: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """`mathmill WORDS`, or the Python program with these arguments, to its end. TimeoutExpired, the process killed,
    after `within_s`."""
    with TemporaryDirectory() as output_folder:
        out, err = Path(output_folder, "out"), Path(output_folder, "err")
        process = forking(environment["PREFECT_API_URL"]).Process(
            target=_command, args=(words, environment, str(folder), str(out), str(err), program)
        )
        process.start()
        try:
            process.join(within_s)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(words, within_s)
        finally:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


@functools.cache
def forking(api_url: str) -> ForkServerContext:
    """What starts processes off the forking one, of which a worker of the tests has one, with its one Prefect server."""
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.preloaded"])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATHMILL_", "PREFECT_"))}
    with mock.patch.dict(
        os.environ,
        kept
        | defaults(Path(_HOME.name), quiet=True)
        | {"PREFECT_API_URL": api_url, "PYTHONPATH": str(Path(__file__).parents[2])},
        clear=True,
    ):
        forkserver.ensure_running()
    return context


def _command(
    words: tuple[str, ...],
    environment: dict[str, str],
    folder: str,
    out: str,
    err: str,
    program: str | None,
) -> None:
    os.setsid()
    os.chdir(folder)
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["mathmill", *words]
    from flows.cli.app import main

    try:
        if program is None:
            main()
        else:
            exec(program, {"__name__": "__main__"})
    except Exception:
        traceback.print_exc()  # the exit functions end the process before multiprocessing prints it
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()
