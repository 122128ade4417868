"""Write docs/cli.md, docs/settings.md and docs/prompts.md from the command line, the settings classes and the prompts.

Run it after a command, an option, a setting or a prompt has changed: `.venv/bin/python docs/generate.py`.
tests/docs/test_generated.py fails while a page differs from what this program writes.
"""

from __future__ import annotations

import difflib
import enum
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script of this folder would not see the packages of the checkout

import prompts  # noqa: E402
from flows.cli.app import app  # noqa: E402
from flows.settings import ROLES, Role, Settings  # noqa: E402

PREFIX = "MATHMILL_"
COMMAND = "./mathmill"
NOTE = (
    "<!-- Written by docs/generate.py. Change the code and run it again; edits of this page are lost. -->\n"
)
VALUES = {
    "auto",
    "cpt",
    "dpo",
    "embedded",
    "fsdp",
    "minilm",
    "ppo",
    "rft",
    "verifier",
}  # settings' values keep their case
# what a bound of annotated_types is called in a sentence
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def pages() -> dict[str, str]:
    """Return the text of each generated page by its name below docs/."""
    return {"cli.md": cli_page(), "settings.md": settings_page(), "prompts.md": prompts_page()}


def cli_page() -> str:
    """Return the reference of every command, in the order of `./mathmill --help`."""
    lines = [
        "# Commands",
        "",
        NOTE,
        f"Every command is started as `{COMMAND} COMMAND`. With `--json` a command prints JSON and nothing else on the "
        "standard output. Exit codes are 0 for success, 1 where a check found what it looks for, 2 for a refusal or "
        "an error (one line, which ends with `Fix: ...`), 3 where a limit ended a run, and 130 after Ctrl-C.",
        "",
    ]
    root = typer.main.get_command(app)
    commands = list(_commands(root, ()))
    lines += ["| command | what it does |", "|---|---|"]
    lines += [
        f"| [`{' '.join(path)}`](#{'-'.join(path)}) | {_cell(_first_sentence(command))} |"
        for path, command in commands
    ]
    for path, command in commands:
        lines += ["", f"## {' '.join(path)}", "", *_command(path, command)]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, command) for every command that does something; groups are entered, not listed."""
    members = getattr(command, "commands", None)
    if members is None:
        yield path, command
        return
    for name, member in members.items():
        if not member.hidden:
            yield from _commands(member, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    shown = command.get_params(typer.Context(command))
    parameters = [one for one in shown if not getattr(one, "hidden", False) and one.name != "help"]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
    usage = " ".join([COMMAND, *path, *(_metavar(argument) for argument in arguments)])
    yield from ("```text", f"{usage} [OPTIONS]" if options else usage, "```", "")
    yield _paragraphs(command.help or "")
    if not parameters:
        return
    yield from ("", "| parameter | default | meaning |", "|---|---|---|")
    for parameter in [*arguments, *options]:
        if parameter.param_type_name == "argument":
            name = f"`{_metavar(parameter)}`"
        else:
            name = ", ".join(f"`{opt}`" for opt in parameter.opts)
            if parameter.type_descriptor.annotation is not bool:
                name += f" `{_metavar(parameter)}`"
        default = "required" if parameter.required else _default(parameter.default)
        yield f"| {_escaped(name)} | {_escaped(default)} | {_cell(parameter.help or '')} |"


def _metavar(parameter: Any) -> str:
    """Return the placeholder of the value: the name that the code gives it, or one of its type."""
    if parameter.param_type_name == "argument":
        name = str(parameter.metavar or parameter.name.upper())
        return name if parameter.required else f"[{name}]"
    if parameter.metavar:
        return str(parameter.metavar)
    kind = parameter.type_descriptor.annotation
    while typing.get_origin(kind) in (list, typing.Union, types.UnionType, typing.Annotated):
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is typing.Literal:
        return "|".join(map(str, typing.get_args(kind)))
    if issubclass(kind, enum.Enum):
        return "|".join(str(member.value) for member in kind)
    return {int: "NUMBER", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


def _default(value: Any) -> str:
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        value = value.relative_to(ROOT)  # the page is the same in every checkout
    if value is None or value is False or value == "" or callable(value):
        return ""
    return f"`{value}`"


def _first_sentence(command: Any) -> str:
    return _paragraphs(command.help or "").split("\n\n")[0]


def _paragraphs(text: str) -> str:
    """Return the docstring as Markdown: the lines of a paragraph joined."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def settings_page() -> str:
    """Return the reference of the environment variables and of each flow's configuration."""
    lines = [
        "# Settings",
        "",
        NOTE,
        "There are two kinds. Settings of the installation say where things are and which model plays which role; "
        "they come from environment variables or `.env` and may hold keys. The configuration of a run says what it "
        "should do; it comes from `--config FILE.yaml`, `--set KEY=VALUE` and the form of the Prefect UI, and has no "
        "field for a key. A later source wins: defaults, then the file, then `--set` in its order.",
        "",
        "## The installation",
        "",
        f"Variables begin with `{PREFIX}`. An unknown variable with that prefix is refused.",
        "",
        "| variable | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        if name not in ROLES:
            lines.append(_row(f"{PREFIX}{name.upper()}", field))
    lines += [
        "",
        "### The roles",
        "",
        "Each of the roles "
        + ", ".join(f"`{role.upper()}`" for role in ROLES)
        + f" has the variables below, as in `{PREFIX}{ROLES[0].upper()}__MODEL`. "
        "A role that is not set is the teacher's, `SAMPLERS` the reasoner's; the student of an embedded teacher is `embedded-small`.",
        "",
        "| variable | type | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [_row(f"{PREFIX}ROLE__{name.upper()}", field) for name, field in Role.model_fields.items()]
    for title, model in configurations().items():
        lines += ["", f"## {title}", "", _paragraphs(inspect.getdoc(model) or "")]
        lines += ["", "| key | type | default | meaning |", "|---|---|---|---|", *_keys(model, "", ())]
    return "\n".join(lines) + "\n"


def prompts_page() -> str:
    """Return the reference of every prompt, by name, from its front matter and its template."""
    lines = [
        "# Prompts",
        "",
        NOTE,
        "Each prompt is a file `prompts/NAME.LANGUAGE.md`. Its version is the hash of the file, and rows and the lineage of a version "
        "name it, as in `solve_cot.en@3f2a91bc`. A folder named by `MATHMILL_PROMPTS` replaces files by others of the same name; a "
        "replacement may use the variables that are listed here.",
    ]
    languages: dict[str, list[str]] = {}
    for entry in prompts.names():
        name, _, language = entry.rpartition(".")
        languages.setdefault(name, []).append(language)
    for name, there in languages.items():
        loaded = {language: prompts.load(name, language) for language in there}
        first = loaded[there[0]]
        lines += ["", f"## {name}", "", first.front.purpose, ""]
        lines += [
            "| language | version | reply | temperature | tokens | tokens after a cut |",
            "|---|---|---|--:|--:|--:|",
        ]
        for language, prompt in loaded.items():
            front = prompt.front
            schema = f"`{front.schema_name}`" if front.schema_name else "text"
            lines.append(
                f"| {language} | `{prompt.ref}` | {schema} | {front.temperature:g} | {front.max_tokens:,} | "
                f"{f'{front.longer:,}' if front.longer else ''} |"
            )
        lines += ["", f"Variables: {', '.join(f'`{one}`' for one in sorted(first.variables)) or 'none'}."]
        lines += [
            f"In {language} also: {', '.join(f'`{one}`' for one in sorted(more))}."
            for language, prompt in loaded.items()
            if (more := prompt.variables - first.variables)
        ]
    return "\n".join(lines) + "\n"


def configurations() -> dict[str, type[BaseModel]]:
    """Return the configuration class of each flow that prefect.yaml deploys, by the flow's name, in its order."""
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    entrypoints = dict.fromkeys(deployment["entrypoint"] for deployment in declared)
    models: dict[str, type[BaseModel]] = {}
    for entrypoint in entrypoints:
        module, _, name = entrypoint.rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        models[flow.name] = inspect.signature(flow.fn, eval_str=True).parameters["config"].annotation
    return models


def _keys(model: type[BaseModel], before: str, above: tuple[type[BaseModel], ...]) -> Iterator[str]:
    """Yield a row for each key of the model and of the groups in it, in the order of its form; `above` ends a model that holds itself."""
    for name in model.model_json_schema()["properties"]:
        field = model.model_fields[name]
        group = _group(field.annotation)
        if group is None or group in above:
            yield _row(before + name, field)
            continue
        yield _row(before + name, field, kind=_kind(field.annotation, group))
        inner = "[]." if _is_list(field.annotation) else "."
        yield from _keys(group, before + name + inner, (*above, group))


def _group(annotation: Any) -> type[BaseModel] | None:
    """Return the settings class in an annotation such as Stage, Stage | None or tuple[Stage, ...]; None without one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    groups = [_group(part) for part in typing.get_args(annotation)]
    return next((group for group in groups if group is not None), None)


def _is_list(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (list, tuple):
        return True
    return any(_is_list(part) for part in typing.get_args(annotation))


def _kind(annotation: Any, group: type[BaseModel]) -> str:
    return "list of groups" if _is_list(annotation) else "group"


def _row(name: str, field: FieldInfo, *, kind: str = "") -> str:
    if field.is_required():
        default = "required"
    elif kind:
        default = ""
    else:
        default = _value(field.get_default(call_default_factory=False))
        if field.default_factory is not None:
            default = "see meaning"
    meaning = field.description or ""
    if limits := _limits(field):
        meaning = f"{meaning}; {limits}" if meaning else limits
    shown = kind or _type(field.annotation)
    return f"| `{name}` | {_escaped(shown)} | {_escaped(default)} | {_cell(meaning)} |"


def _limits(field: FieldInfo) -> str:
    bounds = []
    for part in field.metadata:
        bounds += [f"{word} {getattr(part, name):,}" for name, word in BOUNDS.items() if hasattr(part, name)]
    return ", ".join(bounds)


def _type(annotation: Any) -> str:
    """Return an annotation in plain words: `int`, `text`, `online, batch or offline`, `list of text`."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        *first, last = [f"`{value}`" for value in args]
        return f"{', '.join(first)} or {last}" if first else last
    if origin is typing.Annotated:
        return _type(args[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join("empty" if part is type(None) else _type(part) for part in args)
    if origin in (list, tuple):
        return f"list of {_type(args[0])}"
    if origin in (dict, Mapping):
        return f"map of {_type(args[0])} to {_type(args[1])}"
    names = {
        str: "text",
        bool: "true or false",
        int: "integer",
        float: "number",
        Path: "path",
        Any: "any value",
    }
    if annotation in names:
        return names[annotation]
    return {"SecretStr": "secret", "WeightedModel": "objects"}.get(annotation.__name__, annotation.__name__)


def _value(value: Any) -> str:
    if value is None or value is PydanticUndefined or value in ("", [], {}, ()):
        return "empty"
    if isinstance(value, BaseModel):
        return ""
    plain = list(value) if isinstance(value, tuple) else value
    if isinstance(plain, list) and any(isinstance(one, BaseModel) for one in plain):
        plain = [one.model_dump(mode="json", exclude_defaults=True) for one in plain]
    return (
        f"`{yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000).split(chr(10))[0]}`"
    )


def _cell(text: str) -> str:
    """Return text as the cell of a table: one line, a capital at its start, a full stop at its end."""
    line = _escaped(" ".join(text.split()))
    if not line:
        return ""
    word = line.split()[0].rstrip(":,;")
    if word.isalpha() and word not in VALUES:
        line = line[0].upper() + line[1:]
    return line if line.endswith(".") else f"{line}."


def _escaped(text: str) -> str:
    return (
        text.replace("|", r"\|").replace("<", "&lt;").replace("[", r"\[")
        if "`" not in text
        else text.replace("|", r"\|")
    )


def main() -> int:
    """Write the pages, or with --check name those that differ. Return the exit code."""
    stale = 0
    for name, text in pages().items():
        path = ROOT / "docs" / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        stale = 1
        if "--check" in sys.argv[1:]:
            diff = difflib.unified_diff(
                old.splitlines(), text.splitlines(), f"docs/{name}", "generated", lineterm=""
            )
            print("\n".join(diff))
        else:
            path.write_text(text, encoding="utf-8")
            print(f"docs/{name} written")
    return stale if "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
