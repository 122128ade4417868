"""A control group around one isolation, where this process may make one: a second bound on memory
(the kernel's own on a program's behalf included) and on the number of tasks.

Resource limits hold without it; so where none can be made (an ordinary user without delegation, a
container with /sys/fs/cgroup read-only) the sandbox goes on, and `isolation()` says so. Both
hierarchies are known: cgroup v2 (`memory.max`) and v1 (`memory.limit_in_bytes`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.sandbox.verdict import Limits

PREFIX = "mathmill-sandbox"
SLACK_MB = 64  # what the server and the kernel need besides a program's own memory
_FILES = {"memory": ("memory.max", "memory.limit_in_bytes"), "pids": ("pids.max", "pids.max")}


class Cgroup:
    """The folders of one isolation's control groups, by controller; `remove` when all in it ended."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def remove(self) -> None:
        """Remove the folders; one that is still busy is left to the next `enclose` to sweep."""
        for folder in set(self.folders.values()):
            for _ in range(20):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                if not folder.exists():
                    break
                time.sleep(0.05)

    def memory_kills(self) -> int:
        """How many processes of the group the kernel has killed for memory; 0 where it does not count."""
        folder = self.folders.get("memory")
        if folder is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (folder / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0


def places() -> dict[str, Path]:
    """Where a group could be made: {"memory": folder, "pids": folder}, those that are writable."""
    found = {name: path for name, path in _own() if os.access(path, os.W_OK)}
    return {name: found[name] for name in _FILES if name in found}


def enclose(pid: int, limits: Limits) -> Cgroup | None:
    """Put a process and all it will start into groups of its own; None where none can be made."""
    folders: dict[str, Path] = {}
    bounds = {
        "memory": (limits.memory_mb + limits.tmp_mb + SLACK_MB) << 20,
        "pids": limits.threads + 8,
    }
    made = Cgroup(folders)
    try:
        for name, parent in places().items():
            _sweep(parent)
            folder = parent / f"{PREFIX}-{os.getpid()}-{pid}"
            folder.mkdir(exist_ok=True)
            folders[name] = folder
            file = next(folder / file for file in _FILES[name] if (folder / file).exists())
            file.write_text(str(bounds[name]))
            (folder / "cgroup.procs").write_text(str(pid))
    except (OSError, StopIteration):
        made.remove()  # it looked writable and was not: go on without, as documented
        return None
    return made if folders else None


def _own() -> Iterator[tuple[str, Path]]:
    """(controller, folder) pairs under which this process may find a place for a group."""
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        mount = Path(head.split(" ")[4])
        if kind == "cgroup2" and "" in paths:
            here = mount / paths[""].lstrip("/")
            # controllers are enabled for children by the parent; a group that holds processes
            # cannot enable any, so the place is usually beside this process's group, not below it
            for place in (here, here.parent):
                with contextlib.suppress(OSError):
                    enabled = (place / "cgroup.subtree_control").read_text().split()
                    yield from ((name, place) for name in _FILES if name in enabled)
        elif kind == "cgroup":
            for name in set(options.split(",")) & set(_FILES):
                yield name, mount / paths.get(name, "/").lstrip("/")


def _sweep(parent: Path) -> None:
    """Remove the empty groups of processes that have died without doing so."""
    for folder in parent.glob(f"{PREFIX}-*-*"):
        owner = folder.name.split("-")[-2]
        if not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
