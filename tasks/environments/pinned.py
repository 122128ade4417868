"""The verifier as a package of its own: its sources, pinned by their digest, and a client that runs them in a process apart.

The process keeps the names of the project's packages (`tasks`, `storage`) out of the trainer's process, and can be killed with what it computes.
A changed source is refused at the first score: rewards of another verifier are no longer those that the version was certified with.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tasks", "storage", "prompts")
PACKAGE = "mathmill_verifier"
START = "tasks/training/reward.py"
WHOLE = (
    "tasks/answers",
    "tasks/sandbox",
)  # what runs in processes of its own, which no import statement names
SOURCES = "sources"

_CLIENT = '''"""The verifier of mathmill, pinned by the digest of its sources. `rewards` scores completions by their final answer.

A reward is 1.0 (right), 0.0 (wrong) or None: the answer cannot be compared, or the verifier failed. None is no reward of 0. `worths` says which of
these it is: "right", "wrong", "unknown" or "infrastructure".
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

DIGEST = "{digest}"
_SOURCES = Path(__file__).resolve().parent / "sources"
_REWARD = {{"right": 1.0, "wrong": 0.0}}
_lock = threading.Lock()
_process = None


class SourcesChanged(RuntimeError):
    """The sources of the verifier are not those of DIGEST."""


def digest_of_sources() -> str:
    """Return the digest of the sources as they lie here."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.rglob("*.py"), key=lambda path: path.relative_to(_SOURCES).as_posix()):
        name = path.relative_to(_SOURCES).as_posix()
        digest.update(name.encode() + b"\\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def rewards(questions, completions, answers, languages=None):
    """Return 1.0, 0.0 or None per completion."""
    return [_REWARD.get(worth) for worth in worths(questions, completions, answers, languages)]


def worths(questions, completions, answers, languages=None):
    """Return "right", "wrong", "unknown" or "infrastructure" per completion. If the process of the verifier fails twice, all are "infrastructure"."""
    asked = {{
        "questions": list(questions),
        "completions": list(completions),
        "answers": list(answers),
        "languages": list(languages) if languages is not None else ["en"] * len(completions),
    }}
    with _lock:
        for _ in range(2):
            try:
                return _ask(asked)
            except (OSError, ValueError):
                close()
    return ["infrastructure"] * len(completions)


def _ask(asked):
    global _process
    if _process is None:
        computed = digest_of_sources()
        if computed != DIGEST:
            raise SourcesChanged(f"the verifier is pinned to {{DIGEST[:12]}}, its sources have {{computed[:12]}}. Fix: export the environment again")
        environment = {{**os.environ, "PYTHONPATH": str(_SOURCES)}}
        command = [sys.executable, str(_SOURCES / "serve.py")]
        _process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=_SOURCES)
    _process.stdin.write(json.dumps(asked).encode() + b"\\n")
    _process.stdin.flush()
    line = _process.stdout.readline()
    worths = json.loads(line or b"null")
    if not isinstance(worths, list) or len(worths) != len(asked["completions"]):
        raise ValueError("no whole reply of the verifier")
    return worths


def close():
    """End the process of the verifier."""
    global _process
    if _process is not None:
        _process.kill()
        _process.communicate()
        _process = None


atexit.register(close)
'''
_SERVER = '''"""Judges completions: a line of JSON with questions, completions, answers and languages in, a line with their worths out."""

import json
import os
import sys

from tasks.training.reward import Verifier

# what a library prints must not mix with the replies
replies = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
with Verifier() as verifier:
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        worths = verifier.worths(asked["questions"], asked["completions"], asked["answers"], asked["languages"])
        replies.write(json.dumps([str(worth) for worth in worths]).encode() + b"\\n")
        replies.flush()
'''
_PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "mathmill-verifier"
version = "0+{short}"
description = "The verifier of answers of mathmill, pinned by the digest of its sources"
requires-python = ">=3.11"
license = "Apache-2.0"
dependencies = [{dependencies}]

[tool.setuptools]
packages = ["mathmill_verifier"]

[tool.setuptools.package-data]
mathmill_verifier = ["sources/**/*.py"]
"""


@functools.cache
def pinned() -> tuple[str, Mapping[str, str]]:
    """Return (digest of the sources, text by path) of the package, to be written into the folder of an environment."""
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in _closure()} | {"serve.py": _SERVER}
    digest = hashlib.sha256()
    for name, text in sorted(sources.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(text.encode()).digest())
    computed = digest.hexdigest()
    dependencies = ", ".join(f'"{one}"' for one in _dependencies(sources))
    return computed, {
        "pyproject.toml": _PROJECT.format(short=computed[:12], dependencies=dependencies),
        f"{PACKAGE}/__init__.py": _CLIENT.format(digest=computed),
        **{f"{PACKAGE}/{SOURCES}/{name}": text for name, text in sources.items()},
    }


def _closure() -> list[str]:
    """Return the paths of all sources that the verifier imports, and the packages around them."""
    waiting = [ROOT / START, *(path for folder in WHOLE for path in sorted((ROOT / folder).rglob("*.py")))]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        waiting += [around for around in _packages(path) if around not in seen]
        for module in _imports(path):
            waiting += _file(module)
    return sorted(path.relative_to(ROOT).as_posix() for path in seen)


def _packages(path: Path) -> list[Path]:
    """Return the __init__.py of the packages that hold a module."""
    return [
        folder / "__init__.py"
        for folder in path.parents
        if ROOT in folder.parents and (folder / "__init__.py").is_file()
    ]


def _imports(path: Path) -> list[str]:
    """Return the names that a module imports. A reward model, which reward.py imports where it is used, is no part of the verifier."""
    return _modules(ast.parse(path.read_text(encoding="utf-8")), nested=path != ROOT / START)


def _modules(tree: ast.Module, *, nested: bool) -> list[str]:
    """Return the modules, and the names from them, that a module imports: at its top, and `nested` in its functions too."""
    names: list[str] = []
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        elif isinstance(node, ast.Import):
            names += [one.name for one in node.names]
    return names


def _file(module: str) -> list[Path]:
    if module.split(".")[0] not in PACKAGES:
        return []
    path = ROOT.joinpath(*module.split("."))
    return [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()]


def _dependencies(sources: Mapping[str, str]) -> list[str]:
    """Return the distributions that the sources import, with the versions that are installed here."""
    names = {
        module.split(".")[0]
        for name, text in sources.items()
        for module in _modules(ast.parse(text), nested=name != START)
    }
    by_module = importlib.metadata.packages_distributions()
    others = sorted(names - set(PACKAGES) - set(sys.stdlib_module_names))
    return sorted(
        {
            f"{one}=={importlib.metadata.version(one)}"
            for name in others
            for one in by_module.get(name, ())[:1]
        }
    )
