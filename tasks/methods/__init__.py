"""Methods of generation: plug-ins that plan prompts for new questions, one module each.

A module of this folder is a method if it fulfils the protocol `Method`; `self_instruct` is the example to copy. Its name
is the name to use in the setting `generate.methods`.
"""

from __future__ import annotations

from typing import Protocol, cast

import pyarrow as pa

from tasks.plugins import module
from tasks.stages.generate import Ask, Quota


class Method(Protocol):
    """The contract of a module of this folder."""

    prompt: str
    """Name of a file of prompts/, without its language: <prompt>.<language>.md."""

    def plan(self, pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
        """Return the calls that ask for the questions of `quota`, without calling a model.

        `pool`: rows to take examples from. `quota`: (language, subdomain) -> number of questions. `per_call`: most
        questions per call. `examples`: most examples per call. `seed`: equal seeds must give equal plans.
        """
        ...


def method(name: str) -> Method:
    """Return the method `name`. Raises UnknownName if there is none; a test holds every module to the contract."""
    return cast(Method, module("tasks.methods", name))
