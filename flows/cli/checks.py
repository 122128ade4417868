"""What `mathmill test` runs: format, lint, types and tests, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]


def run_checks(arguments: Sequence[str]) -> int:
    """Run all checks, or pytest alone with `arguments` where there are any. Return the exit code of the first that fails."""
    workers = (
        []
        if any(argument.startswith(("-n", "--pdb")) for argument in arguments)
        # one more than there are cores: end-to-end tests spend part of their time waiting for servers
        else ["-n", str(min((os.cpu_count() or 1) + 1, 6))]
    )
    # in the order of tests/conftest.py, so that the longest files come first and no core idles at the end
    distribution = [*workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    # there is one worker per core already: more threads would only wait for one another
    threads = {"OMP_NUM_THREADS": "1"} if workers else {}
    tests = ["pytest", *distribution, "-m", "not soak", *arguments]
    if arguments:
        return _start(tests, threads).wait()
    for step in (["ruff", "format", "--check", "."], ["ruff", "check", "."]):
        code = _start(step).wait()
        if code:
            return code
    # the first time mypy needs minutes of one core, so the tests run beside it; its findings are printed after theirs
    with tempfile.TemporaryFile() as findings:
        types = _start(["mypy"], out=findings)
        try:
            code = _start(tests, threads).wait()
        finally:
            failed = types.wait()
        findings.seek(0)
        sys.stdout.write(findings.read().decode(errors="replace"))
    return code or failed


def _start(
    step: Sequence[str], environment: dict[str, str] | None = None, out: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a module of this environment in the folder of the project. The user's variables win over `environment`."""
    command = [sys.executable, "-m", *step]
    return subprocess.Popen(command, cwd=ROOT, env=(environment or {}) | os.environ, stdout=out)
