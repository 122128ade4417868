"""A version on one screen: its rows, parents, stages and cost, and the settings that differ from their defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.markup import escape

from flows.cli import terminal
from flows.cli.rendering import funnel_table
from storage.counting import counted
from storage.datasets.annotations import Mark
from storage.datasets.versions import Version
from storage.reasons import shortened
from tasks.evaluation.verdict import in_a_line

if TYPE_CHECKING:
    from tasks.reports.figures import Dropped

MOST_VALUES = 5  # of a column
MOST_SETTINGS = 10
MOST_REASONS = 3
LONGEST_VALUE = 60  # characters of a setting
LONGEST_REASON = 50
# flow -> the classes of its settings; a version of another flow carries the settings of the version that it was made from
_SETTINGS = {
    "nightly": ("flows.config.nightly.Nightly",),
    "make": ("flows.config.make.Make",),
    "weakness": ("flows.config.weakness.ArmNight", "flows.config.weakness.Weakness"),
    "rebuild": (
        "flows.config.nightly.Nightly",
    ),  # the settings that a rebuild inherits; its own are in the group `rebuild`
    "rft": ("flows.config.rft.Rft",),
    "import": ("flows.config.import_dataset.Import",),
    "documents": ("flows.config.documents.Documents",),
    "corpus": ("flows.config.corpus.Corpus",),
}
_GROUPS = {"rebuild": "flows.config.rebuild.Rebuild"}
_COUNTS = ("asked", "kept", "not_taken", "rejected", "failed")


def print_screen(
    version: Version,
    counts: Mapping[str, Mapping[str, int]],
    dropped: Sequence[Dropped],
    verdict: Mark | None,
) -> None:
    """Print a version on about one screen. Text of rows is never read as markup."""
    console = terminal.console()
    lineage = version.lineage
    console.print(
        f"[bold]{version}[/]: {counted(version.rows, 'row')}, {version.added:,} added, {version.created}"
    )
    facts = {
        "digest": version.digest,
        "parents": "; ".join(parents(lineage)) or "none",
        "made by": _made_by(lineage),
        "cost": _cost(lineage),
        "verdict": f"{in_a_line(verdict.value)} ({verdict.at})" if verdict else "none yet",
        **{name: _most(values) for name, values in counts.items()},
    }
    width = max(map(len, facts)) + 2
    for name, text in facts.items():
        console.print(f"[bold]{name:{width}}[/]{escape(text)}", soft_wrap=True)
    changing, unchanged = short_funnel(lineage.get("funnel", []))
    console.print()
    if changing:
        console.print(funnel_table(changing))
    if unchanged:
        console.print(f"Stages that kept all of their rows: {', '.join(unchanged)}.", markup=False)
    if reasons := [group for group in dropped if not group.not_taken][:MOST_REASONS]:
        named = "; ".join(
            f"{shortened(f'{group.stage}: {group.reason}', LONGEST_REASON)} ({group.rows:,})"
            for group in reasons
        )
        console.print(f"Most frequent reasons why rows were dropped: {named}.", markup=False)
    console.print("\n[bold]settings that differ from their defaults[/]")
    for line in _settings_lines(lineage):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(
        f"\nSchema, every stage, all reasons, the whole lineage and ten rows: ./mathmill show {version} --lineage",
        soft_wrap=True,
    )


def parents(lineage: Mapping[str, Any]) -> list[str]:
    """Return what a version was made from: the version before it, the versions that were read, and the files."""
    named = [f"base {lineage['base']}"] if lineage.get("base") else []
    if lineage.get("restored"):
        named.append(f"restored {lineage['restored']}")
    named += [f"material {one['version']}" for one in lineage.get("material") or ()]
    if files := lineage.get("inputs") or ():
        shown = ", ".join(
            str(one.get("file", one)) if isinstance(one, Mapping) else str(one) for one in files[:MOST_VALUES]
        )
        more = f" and {len(files) - MOST_VALUES:,} more" if len(files) > MOST_VALUES else ""
        named.append(f"{'file' if len(files) == 1 else 'files'} {shown}{more}")
    return named


def short_funnel(lines: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the stages whose rows were not all kept, each once with the sums over its waves and methods, and the titles of the others."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        title = str(line["title"]).partition(", ")[0]
        stage = merged.setdefault((line["stage"], title), {"stage": line["stage"], "title": title})
        for name in _COUNTS:
            if name in line:
                stage[name] = stage.get(name, 0) + line[name]
    stages = list(merged.values())
    return (
        [stage for stage in stages if stage["kept"] != stage["asked"]],
        [stage["title"] for stage in stages if stage["kept"] == stage["asked"]],
    )


def differing(
    values: Mapping[str, Any], kind: type[BaseModel], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and the value of each stored setting that differs from the default of its class. A setting that was not stored,
    as one that was added later, has no value that could differ."""
    for name, value in values.items():
        field = kind.model_fields.get(name)
        known = field is not None and not field.is_required()
        default = field.get_default(call_default_factory=True) if field and known else None
        yield from _differing(f"{prefix}{name}", value, default, known=known)


def _differing(name: str, value: Any, default: Any, *, known: bool) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and isinstance(default, BaseModel):
        for key, one in value.items():
            there = key in type(default).model_fields
            yield from _differing(f"{name}.{key}", one, getattr(default, key) if there else None, known=there)
    elif isinstance(value, Mapping) and isinstance(default, Mapping):
        for key, one in value.items():
            yield from _differing(f"{name}.{key}", one, default.get(key), known=key in default)
        yield from ((f"{name}.{key}", None) for key in default if key not in value)
    elif not known or value != to_jsonable_python(default):
        yield name, value


def _settings_lines(lineage: Mapping[str, Any]) -> list[str]:
    """Return KEY=VALUE for the first of the settings that differ, and how many more there are."""
    parameters, flow = lineage.get("parameters") or {}, str(lineage.get("flow", ""))
    if not parameters:
        return ["none are stored"]
    if flow not in _SETTINGS:
        return [f"those of the version that it was made from ({flow or 'no flow'} has none of its own)"]
    own = {name: value for name, value in parameters.items() if name not in _GROUPS}
    # a flow may publish under the settings of several classes: those that have most of the stored names
    kind = max(map(_class, _SETTINGS[flow]), key=lambda one: len(one.model_fields.keys() & own.keys()))
    changed = list(differing(own, kind))
    for group, path in _GROUPS.items():
        changed += differing(parameters.get(group) or {}, _class(path), f"{group}.")
    lines = [f"{name}={shortened(_value(value), LONGEST_VALUE)}" for name, value in changed[:MOST_SETTINGS]]
    if more := len(changed) - len(lines):
        lines.append(f"and {more:,} more, see --lineage")
    return lines or ["none"]


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value else orjson.dumps(value).decode()


def _class(path: str) -> type[BaseModel]:
    module, _, name = path.rpartition(".")
    settings: type[BaseModel] = getattr(import_module(module), name)
    return settings


def _made_by(lineage: Mapping[str, Any]) -> str:
    code = lineage.get("code") or {}
    parts = [str(lineage[name]) for name in ("flow", "run") if lineage.get(name)]
    if code.get("commit"):
        parts.append(f"commit {str(code['commit'])[:12]}{' with changes' if code.get('changed') else ''}")
    models = Counter(str(facts["model"]) for facts in (lineage.get("models") or {}).values())
    if models:
        parts.append(f"models {', '.join(models)}")
    return ", ".join(parts) or "unknown"


def _cost(lineage: Mapping[str, Any]) -> str:
    costs = lineage.get("costs") or []
    tokens = sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)
    completions = sum(cost["completions"] for cost in costs)
    return f"${sum(cost['usd'] for cost in costs):,.2f}, {counted(completions, 'completion')}, {counted(tokens, 'token')}"


def _most(values: Mapping[str, int]) -> str:
    """Return the most frequent values with their numbers of rows, and how many others there are."""
    shown = [f"{value} {count:,}" for value, count in list(values.items())[:MOST_VALUES]]
    if more := len(values) - len(shown):
        shown.append(f"{more:,} more")
    return ", ".join(shown)
