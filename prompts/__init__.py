"""Prompts: one template per file `<name>.<language>.md`, loaded by name, with a version from the hash of its content.

A file has YAML front matter between `---` lines, then the body. The body is the user message; an optional `system:` in the
front matter is the system message. Both are Jinja templates in a sandbox. Rows, books and completions are passed as
variables only, so that text in them is never executed as a template.

An overlay is a folder of files of the same names. Each of them is used instead of the prompt of this folder, and is checked
when it is read: its front matter, its schema, and the variables that it uses. See prompts/overlay.py.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, TemplateError, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prompts import schemas

HERE = Path(__file__).parent
# what a prompt has to show; an overlay may leave out every other variable of the prompt that it replaces
_ESSENTIAL = frozenset(
    {"question", "solution", "first", "second", "options", "count", "subdomain", "passage"}
)


class FrontMatter(BaseModel):
    """The keys of a prompt file's front matter."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    purpose: str
    system: str = ""
    schema_name: str | None = None  # a class of prompts.schemas that the completion must fit
    temperature: float = Field(0.7, ge=0, allow_inf_nan=False)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(1024, ge=1)
    longer: int | None = Field(
        None, ge=1
    )  # max_tokens of the one further request after a truncated completion


class PromptError(ValueError):
    """A prompt file cannot be used; the message names the file, what is wrong with it, and the fix."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A loaded template. Rows and lineage record its `ref`, such as `cot.zh@3f2a91bc`.

    `variables` are the names that the template uses. `overlaid` says whether it comes from an overlay.
    """

    name: str
    language: str
    digest: str
    front: FrontMatter
    body: str
    variables: frozenset[str]
    overlaid: bool = False

    @property
    def ref(self) -> str:
        """The name, language and first eight digits of the content hash."""
        return f"{self.name}.{self.language}@{self.digest[:8]}"

    @property
    def response_schema(self) -> dict[str, Any] | None:
        """The JSON schema of the completion, or None if the front matter names none."""
        return schemas.json_schema(self.front.schema_name, self.language)

    def messages(self, **variables: Any) -> list[dict[str, str]]:
        """Return the chat messages, rendered with the variables.

        Raises UndefinedError if a variable is missing, and PromptError if the template cannot be rendered with them.
        """
        try:
            messages = []
            if self.front.system:
                messages.append({"role": "system", "content": _render(self.front.system, variables)})
            messages.append({"role": "user", "content": _render(self.body, variables)})
        except UndefinedError:
            raise
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise PromptError(
                f"{self.name}.{self.language}.md cannot be rendered: {error}. Fix: correct the template"
            ) from error
        return messages


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, trim_blocks=True
)


@functools.cache
def _template(source: str) -> Any:
    return _environment.from_string(source)


def _render(source: str, variables: dict[str, Any]) -> str:
    text: str = _template(source).render(variables)
    return text.strip()


@functools.cache
def load(name: str, language: str = "en", overlay: Path | None = None) -> Prompt:
    """Return the prompt `<name>.<language>.md`, that of the overlay if it has one.

    A process reads a file once. Raises PromptError if the prompt is missing or malformed.
    """
    path = HERE / f"{name}.{language}.md"
    if not path.is_file():
        raise PromptError(f"no prompt {path.name} in {HERE}; there are: {', '.join(names()) or 'none'}")
    shipped = _read(path, name, language, overlaid=False)
    if overlay is None or not (replaced := overlay / path.name).is_file():
        return shipped
    prompt = _read(replaced, name, language, overlaid=True)
    readable = schemas.alternatives(shipped.front.schema_name)
    if prompt.front.schema_name not in readable:
        raise PromptError(
            f"{replaced}: schema_name: {prompt.front.schema_name!r} is not what the reader of {name} reads. "
            f"Fix: use {' or '.join(one for one in readable if one) or 'none'}"
        )
    if unknown := prompt.variables - shipped.variables:
        raise PromptError(
            f"{replaced}: unknown variable {', '.join(sorted(unknown))}. "
            f"Fix: use {', '.join(sorted(shipped.variables))}"
        )
    if missing := (shipped.variables & _ESSENTIAL) - prompt.variables:
        lost = ", ".join(f"{{{{ {one} }}}}" for one in sorted(missing))
        raise PromptError(f"{replaced}: does not show {lost}. Fix: add it to the template")
    return prompt


def _read(path: Path, name: str, language: str, *, overlaid: bool) -> Prompt:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: is not UTF-8. Fix: save it as UTF-8") from error
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise PromptError(
            f"{path}: must begin with front matter between two lines of ---. Fix: copy it from {HERE / path.name}"
        )
    try:
        front = FrontMatter.model_validate(yaml.safe_load(parts[1]) or {})
        if front.schema_name is not None:
            schemas.by_name(front.schema_name)
    except (yaml.YAMLError, ValidationError, schemas.UnknownSchema) as error:
        raise PromptError(f"{path}: front matter: {in_short(error)}. Fix: correct it") from error
    body = parts[2].strip()
    try:
        variables = frozenset().union(
            *(meta.find_undeclared_variables(_environment.parse(source)) for source in (front.system, body))
        )
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise PromptError(
            f"{path}: template{f', line {line} of it' if line else ''}: {error}. Fix: correct it"
        ) from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(name, language, digest, front, body, variables, overlaid)


def in_short(error: Exception) -> str:
    """Return on one line what is wrong with a file, and with which of its keys where that is known."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return ": ".join([".".join(map(str, first["loc"])), first["msg"]] if first["loc"] else [first["msg"]])
    return " ".join(str(error).split())


def names(folder: Path = HERE) -> list[str]:
    """Return the names of all prompts of a folder as `name.language`, sorted."""
    return sorted(path.name.removesuffix(".md") for path in folder.glob("*.*.md"))
