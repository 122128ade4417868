"""The command `doctor`: checks everything that a nightly run needs and says how to fix what is missing."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import typer
from rich.table import Table

from flows.cli import terminal
from flows.runner.environment import running_server
from flows.runner.learnt_limits import expected
from flows.runner.plain_errors import in_lines
from flows.runner.resources import Tools
from flows.settings import ROLES, env_file, load_settings
from prompts import names
from prompts.overlay import overlaid
from storage.counting import counted
from storage.datasets.store import Store
from tasks.llm.endpoint import Endpoint
from tasks.llm.model_files import CHECKPOINT, CONFIG, SMALL_MODEL, located, require
from tasks.retrieval.encoder import require_encoder
from tasks.sandbox import isolation

LEAST_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check. The names of the fields are keys of `doctor --json`; `mend` says how to fix a failure."""

    what: str
    ok: bool
    detail: str
    mend: str = ""


def check() -> list[Check]:
    """Run all checks and return their results. A check that fails does not hide the next."""
    settings = load_settings()
    home = settings.home.absolute()
    return [
        Check("Python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer"),
        Check("settings", True, _settings()),
        *_storage(home),
        _isolation(),
        _guarded("Prefect", lambda: _prefect(home), "run ./mathmill up to see the UI"),
        *_endpoints(home),
        _guarded("prompts", _prompts, "correct the prompts of the overlay, or unset MATHMILL_PROMPTS"),
        _guarded(
            "encoder", lambda: _encoder(settings.encoder), "unset MATHMILL_ENCODER, or name another one"
        ),
        _small_model(home),
        _scans(),
        _guarded("tables", lambda: _tables(settings.tables), "check MATHMILL_STORE"),
    ]


def show(checks: list[Check], *, json: bool) -> None:
    """Print the results as a table, or as JSON."""
    if json:
        typer.echo(orjson.dumps([asdict(item) for item in checks], option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None, pad_edge=False)
    for name in ("", "check", "result", "fix"):
        table.add_column(name, overflow="fold")
    for item in checks:
        table.add_row(
            "[green]ok[/]" if item.ok else "[red]no[/]", item.what, item.detail, "" if item.ok else item.mend
        )
    terminal.console(highlight=True).print(table)


def _storage(home: Path) -> Iterator[Check]:
    existing = next(path for path in (home, *home.parents) if path.exists())
    writable = os.access(existing, os.W_OK)
    yield Check("storage", writable, str(home), "set MATHMILL_HOME to a folder that you may write to")
    free = shutil.disk_usage(existing).free / 1e9
    yield Check(
        "disk", free >= LEAST_DISK_GB, f"{free:.1f} GB free", f"free {LEAST_DISK_GB:g} GB below {existing}"
    )


def _settings() -> str:
    file = env_file()
    return f"{file.absolute()} and the environment" if file else "the environment; there is no .env"


def _tables(where: str) -> Check:
    store = Store(where)
    store.where.reach()
    count = len(store.datasets())
    return Check("tables", True, f"{where}, {counted(count, 'dataset')}")


def _isolation() -> Check:
    state = isolation()
    return Check("isolation", state.ok, state.detail, state.fix or "")


def _prefect(home: Path) -> Check:
    import prefect

    server = running_server(home)
    url = os.environ.get("PREFECT_API_URL") or (server and server.url)
    return Check("Prefect", True, f"{prefect.__version__}, {url or 'a local server is started for each run'}")


def _endpoints(home: Path) -> Iterator[Check]:
    tools = Tools(load_settings()) if os.access(home if home.exists() else home.parent, os.W_OK) else None
    if tools is None:
        return
    try:
        for role in ROLES:
            yield _guarded(
                role, functools.partial(_endpoint, tools, role), f"check MATHMILL_{role.upper()}__BASE_URL"
            )
    finally:
        tools.close()


def _endpoint(tools: Tools, role: str) -> Check:
    tools.engine(role).check()
    members = tools.settings.mix(role)
    if len(members) > 1:
        total = sum(weight for _, weight in members)
        shares = "; ".join(f"{weight / total:.0%} {_of_model(tools, role, one)}" for one, weight in members)
        return Check(role, True, shares)
    return Check(role, True, _of_model(tools, role, members[0][0]))


def _of_model(tools: Tools, role: str, endpoint: Endpoint) -> str:
    """Return what is to be said of a model: its address, what it answers, its price if that is unknown."""
    where = f"at {', '.join(endpoint.base_urls)}" if endpoint.base_urls else "in process"
    settings = tools.settings
    unset = "" if role in settings.model_fields_set else ", not set"
    if unset and role != "teacher" and settings.role(role) is settings.teacher:
        unset += ": the teacher's"
    if endpoint.checkpoint is not None:
        require(endpoint.checkpoint, f"{endpoint.setting('MODEL')}={endpoint.model}")
        where = f"in process, {endpoint.checkpoint}"
    answers = (
        f", {expected(tools, endpoint)}"
        if endpoint.sampling.reasoning or settings.role(role).limit_risk
        else ""
    )
    price = f". {endpoint.unpriced}" if endpoint.unpriced and not unset else ""
    return f"{endpoint.model} {where}{answers}{unset}{price}"


def _prompts() -> Check:
    overlay = load_settings().overlay()
    replaced = overlaid(overlay)
    count = counted(len(names()), "prompt")
    if overlay is None:
        return Check("prompts", True, f"{count}, none replaced")
    refs = ", ".join(replaced) or "none"
    return Check("prompts", True, f"{count}, replaced by {overlay}: {refs}")


def _small_model(home: Path) -> Check:
    """Return whether the small model was set up. Nobody has to use it, so its absence is no failure."""
    model = f"{CHECKPOINT}{SMALL_MODEL}"
    folder = Path(located(model, home))
    there = (folder / CONFIG).is_file()
    return Check(model, True, str(folder) if there else "not set up; ./mathmill setup smollm does that")


def _scans() -> Check:
    """Return whether scanned documents can be read. Nobody has to read some, so its absence is no failure."""
    from tasks.documents.ocr import OcrMissing, installed_languages

    try:
        return Check("scans", True, f"tesseract: {', '.join(installed_languages()) or 'no language'}")
    except OcrMissing as missing:
        return Check("scans", True, str(missing))


def _encoder(name: str) -> Check:
    require_encoder(name)
    return Check("encoder", True, name)


def _guarded(what: str, run: Callable[[], Check], fix: str) -> Check:
    """Run a check and return a failed one, with the fix, if it raises an error that the user can fix."""
    try:
        return run()
    except Exception as error:
        lines = in_lines(error)
        if not lines:
            raise
        return Check(what, False, " ".join(lines), fix)
