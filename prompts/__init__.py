"""Prompts: one template per file `<name>.<language>.md`, loaded by name, with a version from the hash of its content.

A file has YAML front matter between `---` lines, then the body. The body is the user message; an optional `system:` in the
front matter is the system message. Both are Jinja templates in a sandbox. Rows, books and completions are passed as
variables only, so that text in them is never executed as a template.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, ValidationError

HERE = Path(__file__).parent


class FrontMatter(BaseModel):
    """The keys of a prompt file's front matter."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    purpose: str
    system: str = ""
    schema_name: str | None = None  # a class of prompts.schemas that the completion must fit
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 1024
    longer: int | None = None  # max_tokens of the one further request after a completion was truncated


class PromptError(ValueError):
    """A prompt file cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A loaded template. Rows and lineage record its `ref`, such as `cot.zh@3f2a91bc`."""

    name: str
    language: str
    digest: str
    front: FrontMatter
    body: str

    @property
    def ref(self) -> str:
        """The name, language and first eight digits of the content hash."""
        return f"{self.name}.{self.language}@{self.digest[:8]}"

    def messages(self, **variables: Any) -> list[dict[str, str]]:
        """Return the chat messages, rendered with the variables. Raises UndefinedError if one is missing."""
        messages = []
        if self.front.system:
            messages.append({"role": "system", "content": _render(self.front.system, variables)})
        messages.append({"role": "user", "content": _render(self.body, variables)})
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
def load(name: str, language: str = "en", folder: Path = HERE) -> Prompt:
    """Return the prompt `<name>.<language>.md`. Raises PromptError if it is missing or malformed."""
    path = folder / f"{name}.{language}.md"
    if not path.is_file():
        available = ", ".join(names(folder)) or "none"
        raise PromptError(f"no prompt {path.name} in {folder}; there are: {available}")
    text = path.read_text(encoding="utf-8")
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise PromptError(f"{path}: must begin with front matter between two lines of ---")
    try:
        front = FrontMatter.model_validate(yaml.safe_load(parts[1]) or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise PromptError(f"{path}: front matter: {error}") from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(name, language, digest, front, parts[2].strip())


def names(folder: Path = HERE) -> list[str]:
    """Return the names of all prompts as `name.language`, sorted."""
    return sorted(path.name.removesuffix(".md") for path in folder.glob("*.*.md"))
