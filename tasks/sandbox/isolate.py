"""The arguments of bubblewrap that create an isolation, and the check whether this machine supports it.

The isolation itself is always created by an ordinary user: namespaces, no network, no capabilities, no further user
namespaces, no environment. Root first becomes a real unprivileged uid, because mapping root to another uid would leave
it the rights of root over the mounted files; if that uid could not reach the interpreter, as under a 0700 home, an outer
bubblewrap makes the mounts accessible.

Visible inside are, read-only, the shared libraries, the library folder of the interpreter and its site-packages; /tmp and
/dev/shm as tmpfs of limited size; four harmless devices; and tasks/sandbox/inside. There is no /proc.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import ForPeople
from tasks.sandbox import cgroup, syscalls
from tasks.sandbox.verdict import Limits

INSIDE = Path(__file__).parent / "inside"
PROJECT = Path(__file__).resolve().parents[2]
NOBODY = 65534
_DEVICES = ("null", "zero", "full", "urandom")
_USERNS_FIX = (
    "allow user namespaces: sysctl -w user.max_user_namespaces=15000 (and, where it exists,"
    " kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0);"
    " in Docker run with --security-opt seccomp=unconfined --security-opt apparmor=unconfined,"
    " and as root also --cap-add SYS_ADMIN"
)


@dataclass(frozen=True, slots=True)
class Isolation:
    """Whether programs can be isolated on this machine; `detail` is one line, `fix` says what would make it possible."""

    ok: bool
    detail: str
    fix: str | None = None


class SandboxUnavailable(ForPeople, RuntimeError):
    """Programs cannot be isolated on this machine, so none is run. The message is one line with the fix."""

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        fix = f". Fix: {isolation.fix}" if isolation.fix else ""
        super().__init__(f"sandbox unavailable: {isolation.detail}{fix}")

    def __reduce__(self) -> tuple[type[SandboxUnavailable], tuple[Isolation]]:
        return type(self), (self.isolation,)  # task runners send it between processes


def isolation() -> Isolation:
    """Check whether programs can be isolated on this machine: the tools are installed and an empty isolation starts.

    Takes about 0.1 s and runs no program; Sandbox tries the escapes when it starts.
    """
    missing = _missing()
    if missing is not None:
        return missing
    command = arguments(Limits(), [interpreter(), "-I", "-S", "-c", "print(6 * 7)"])
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return Isolation(
            False, "an empty isolation did not start within 60 s", "see whether the machine is overloaded"
        )
    if done.returncode or done.stdout != b"42\n":
        return failed(done.stderr.decode("utf-8", "replace"))
    who = f"uid {os.geteuid() or NOBODY}"
    bounded = " and ".join(cgroup.places()) or "none to be had"
    return Isolation(True, f"{_version()[1]}, {who}, seccomp for {platform.machine()}, cgroup: {bounded}")


def failed(stderr: str) -> Isolation:
    """Return why an isolation did not start, from the stderr of bubblewrap or the interpreter."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    detail = lines[-1][:300] if lines else "the isolation ended without a word"
    namespaces = re.search(
        r"namespace|uid map|unshare|clone|setres[ug]id|Operation not permitted|No space left", detail
    )
    return Isolation(False, detail, _USERNS_FIX if namespaces else None)


def _missing() -> Isolation | None:
    if sys.platform != "linux" or not syscalls.supported():
        return Isolation(
            False,
            f"programs are isolated on Linux, x86_64 or aarch64; this is {sys.platform} {platform.machine()}",
            "run on such a machine, or without programs",
        )
    number, text = _version()
    if number < (0, 8):
        return Isolation(False, text, "apt-get install bubblewrap (0.8 or newer)")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return Isolation(False, "setpriv is missing", "apt-get install util-linux")
    around = [path for path in bound() if PROJECT.is_relative_to(path) and not _is_site(PROJECT)]
    if around:
        return Isolation(
            False,
            f"the checkout {PROJECT} lies within {around[0]}, which programs can read",
            "move the checkout elsewhere",
        )
    return None


def _version() -> tuple[tuple[int, ...], str]:
    path = shutil.which("bwrap")
    if path is None:
        return (0,), "bubblewrap is missing"
    text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60).stdout.strip()
    return tuple(int(part) for part in re.findall(r"\d+", text)), text


def interpreter() -> str:
    """Return the base interpreter of sys.executable, which runs without venv start-up, .pth files and sitecustomize."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def sites() -> list[str]:
    """Return the folders of installed packages, in the order of sys.path."""
    return [path for path in sys.path if _is_site(Path(path)) and os.path.isdir(path)]


def _is_site(path: Path) -> bool:
    return path.name in ("site-packages", "dist-packages")


def bound() -> list[Path]:
    """Return the paths of the host that are visible inside, read-only; none contains another."""
    base = Path(interpreter()).parent.parent
    libraries = [Path(name) for name in ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib64")]
    interpreter_paths = [
        base / "lib",
        base / "lib64",
        Path(sysconfig.get_path("stdlib")),
        Path(interpreter()),
    ]
    candidates = [*libraries, *interpreter_paths, Path("/etc/ld.so.cache"), *map(Path, sites())]
    return _outermost([path for path in candidates if path.exists() and not path.is_symlink()])


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """Return the paths in order, without those that lie within another."""
    return [path for path in sorted(set(paths)) if not any(other in path.parents for other in paths)]


def _masked(paths: Sequence[Path], shown: Sequence[Path] = ()) -> list[Path]:
    """Return the packages of this project that are inside visible paths and are not to be `shown`, to be hidden."""
    packages = [PROJECT / name for name in ("flows", "tasks", "prompts", "storage")]
    return [
        path
        for path in packages
        if path not in shown and path.is_dir() and any(path.is_relative_to(p) for p in paths)
    ]


def arguments(
    limits: Limits,
    command: Sequence[str],
    *,
    hash_seed: int = 0,
    filter_fd: int | None = None,
    info_fd: int | None = None,
    shown: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    first: bool = True,
) -> list[str]:
    """Return the command line that runs `command` in an isolation of its own.

    The seccomp filter is read from `filter_fd`; bubblewrap writes the pid of process 1 to `info_fd`. `shown` are further
    paths of the host that are visible, read-only; `environment` has further variables. `first`: whether the command is
    process 1 of its namespace, which ends neither by a signal that it does not handle nor by its limit of CPU time;
    otherwise bubblewrap is process 1 and exits as the command does.
    """
    paths = _outermost([*bound(), *shown])
    around = _as_nobody(paths)
    inside = "/inside" if "bwrap" in around else str(INSIDE)  # where the outer bubblewrap mounts it
    inner = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns"]
    inner += ["--as-pid-1"] if first else []
    inner += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox"]
    inner += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if filter_fd is not None:
        inner += ["--seccomp", str(filter_fd)]
    if info_fd is not None:
        inner += ["--info-fd", str(info_fd)]
    inner += [*_tmpfs("/tmp", limits.tmp_mb << 20), *_view(paths, inside), *_tmpfs("/dev/shm", 1 << 20)]
    for path in _masked(paths, shown):
        inner += ["--tmpfs", str(path), "--remount-ro", str(path)]
    inner += ["--remount-ro", "/", "--chdir", "/tmp", "--clearenv"]
    # the same order of sets every time; no threads that a program did not start
    variables = {"PYTHONHASHSEED": str(hash_seed), "OPENBLAS_NUM_THREADS": "1", **(environment or {})}
    for name, value in variables.items():
        inner += ["--setenv", name, value]
    return [*around, *inner, "--", *command]


def _as_nobody(paths: Sequence[Path]) -> list[str]:
    """Return the command prefix by which root becomes NOBODY, with an outer bubblewrap if NOBODY could not read the paths."""
    if os.geteuid() != 0:
        return []
    drop = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    drop += ["--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all"]
    if all(_open_to_all(path) for path in [*paths, INSIDE]):
        return drop
    tools = sorted({Path(path).parent for path in map(shutil.which, ("bwrap", "setpriv")) if path})
    outer = ["bwrap", "--die-with-parent", "--perms", "1777", "--dir", "/tmp"]
    outer += [*_view([*paths, *tools], str(INSIDE)), "--bind", "/proc", "/proc"]
    return [*outer, "--setenv", "PATH", ":".join(map(str, tools)), "--", *drop]


def _open_to_all(path: Path) -> bool:
    way = all(parent.stat().st_mode & 0o001 for parent in path.parents)
    return way and path.stat().st_mode & 0o004 != 0


def _tmpfs(path: str, size: int) -> list[str]:
    return ["--perms", "0700", "--size", str(size), "--tmpfs", path]


def _view(paths: Sequence[Path], inside: str) -> list[str]:
    """Return the arguments that mount these paths of the host read-only, the devices and the folder inside/."""
    shown: list[str] = []
    created: set[Path] = {Path("/"), Path("/tmp")}
    for path in [*paths, *(Path("/dev", name) for name in (*_DEVICES, "shm"))]:
        for parent in reversed(path.parents):
            if parent not in created:
                created.add(parent)
                shown += ["--perms", "0755", "--dir", str(parent)]
        if path.parent == Path("/dev"):
            shown += ["--dev-bind", str(path), str(path)] if path.name != "shm" else []
        else:
            shown += ["--ro-bind", str(path), str(path)]
    for name in ("/lib", "/lib32", "/lib64", "/bin", "/sbin"):
        if os.path.islink(name):
            shown += ["--symlink", os.readlink(name), name]
    return [*shown, "--ro-bind", inside, "/inside"]


def configuration(limits: Limits, *, seed: int = 0, clock_shift_s: int = 0) -> dict[str, Any]:
    """Return the configuration, which is the first frame sent to inside/server.py."""
    return {
        "wall_s": limits.wall_s,
        "wall_cap_s": limits.wall_cap_s,
        "idle_s": limits.idle_s,
        "cpu_s": limits.cpu_limit_s,
        "memory_mb": limits.memory_mb,
        "tmp_mb": limits.tmp_mb,
        "threads": limits.threads,
        "output_bytes": limits.output_chars,
        "tail_bytes": limits.tail_chars,
        "answer_chars": limits.answer_chars,
        "filter": syscalls.inner().hex(),
        "sites": sites(),
        "seed": seed,
        "clock_shift_s": clock_shift_s,
    }
