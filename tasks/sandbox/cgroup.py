"""Control groups around isolations: a second limit on memory, kernel memory included, and on the number of tasks.

The resource limits hold without them, so if none can be created (an ordinary user without delegation, a container with a
read-only /sys/fs/cgroup) the sandbox works without, and `isolation()` says so. Both hierarchies are supported: cgroup v2
(`memory.max`) and v1 (`memory.limit_in_bytes`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.sandbox.verdict import Limits

PREFIX = "mathmill-sandbox"
SLACK_MB = 64  # for the server and the kernel, besides the memory of a program
_FILES = {"memory": ("memory.max", "memory.limit_in_bytes"), "pids": ("pids.max", "pids.max")}


class Cgroup:
    """The folders of one isolation's control groups, by controller. Call `remove` when all its processes have ended."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def remove(self) -> None:
        """Remove the folders. One that is still busy is removed by a later `enclose`."""
        for folder in set(self.folders.values()):
            for _ in range(20):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                if not folder.exists():
                    break
                time.sleep(0.05)

    def memory_kills(self) -> int:
        """Return how many processes of the group the kernel has killed for memory; 0 if it does not count them."""
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
    """Return the writable folders in which a group could be created: {"memory": folder, "pids": folder}."""
    writable = {name: path for name, path in _candidate_folders() if os.access(path, os.W_OK)}
    return {name: writable[name] for name in _FILES if name in writable}


def enclose(pid: int, limits: Limits) -> Cgroup | None:
    """Put a process and all that it will start into groups of its own; return None if none can be created."""
    folders: dict[str, Path] = {}
    bounds = {
        "memory": (limits.memory_mb + limits.tmp_mb + SLACK_MB) << 20,
        "pids": limits.threads + 8,
    }
    group = Cgroup(folders)
    try:
        for name, parent in places().items():
            _remove_stale(parent)
            folder = parent / f"{PREFIX}-{os.getpid()}-{pid}"
            folder.mkdir(exist_ok=True)
            folders[name] = folder
            file = next(folder / file for file in _FILES[name] if (folder / file).exists())
            file.write_text(str(bounds[name]))
            (folder / "cgroup.procs").write_text(str(pid))
    except (OSError, StopIteration):
        group.remove()  # the folder looked writable and was not: work without a group
        return None
    return group if folders else None


def _candidate_folders() -> Iterator[tuple[str, Path]]:
    """Yield (controller, folder) pairs in which this process might create a group."""
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
            # The parent enables controllers for its children, and a group with processes cannot enable any, so the
            # place is usually beside the group of this process and not below it.
            for place in (here, here.parent):
                with contextlib.suppress(OSError):
                    enabled = (place / "cgroup.subtree_control").read_text().split()
                    yield from ((name, place) for name in _FILES if name in enabled)
        elif kind == "cgroup":
            for name in set(options.split(",")) & set(_FILES):
                yield name, mount / paths.get(name, "/").lstrip("/")


def _remove_stale(parent: Path) -> None:
    """Remove the empty groups of processes that were killed before they could."""
    for folder in parent.glob(f"{PREFIX}-*-*"):
        owner = folder.name.split("-")[-2]
        if not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
