"""What calls cost: the published prices of models (prices.toml), and the cost of a usage at a price."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tasks.llm.request import Usage

FILE = Path(__file__).with_name("prices.toml")
BATCH = 0.5  # factor of the price in batch mode, where none is published


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Prices in USD per million tokens.

    `cached` and `written` are those of prompt tokens that were read from or written to the provider's prompt cache; None:
    as for other prompt tokens. Tokens of the thinking are completion tokens. `batch` is the factor of batch mode.
    """

    prompt: float = 0.0
    completion: float = 0.0
    cached: float | None = None
    written: float | None = None
    batch: float = BATCH

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call in USD."""
        cached = self.prompt if self.cached is None else self.cached
        written = self.prompt if self.written is None else self.written
        plain = usage.prompt_tokens - usage.cached_tokens - usage.written_tokens
        prompt = plain * self.prompt + usage.cached_tokens * cached + usage.written_tokens * written
        return (prompt + usage.completion_tokens * self.completion) / 1e6

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the most that a call of so many tokens can cost in USD, however much of it is cached."""
        dearest = max(self.prompt, self.cached or 0.0, self.written or 0.0)
        return (prompt_tokens * dearest + completion_tokens * self.completion) / 1e6

    def batched(self) -> TokenPrices:
        """Return the prices in batch mode."""
        return replace(
            self,
            prompt=self.prompt * self.batch,
            completion=self.completion * self.batch,
            cached=None if self.cached is None else self.cached * self.batch,
            written=None if self.written is None else self.written * self.batch,
        )

    def at(self, prompt: float, completion: float) -> TokenPrices:
        """Return other prices of the prompt and completion, with those of cached tokens in the same proportion."""
        factor = prompt / self.prompt if self.prompt else 0.0
        return replace(
            self,
            prompt=prompt,
            completion=completion,
            cached=None if self.cached is None else self.cached * factor,
            written=None if self.written is None else self.written * factor,
        )


def published(model: str, urls: tuple[str, ...] = ()) -> TokenPrices | None:
    """Return the published price of a model, None if prices.toml has none. `urls` are the addresses that serve it."""
    hosts = [urlsplit(url).hostname or "" for url in urls]
    for name in _names(model):
        for ends, price in _table().get(name, ()):
            if not ends or any(host.endswith(ends) for host in hosts):
                return price
    return None


def of_stored_call(
    model: str, prompt: float, completion: float, known: TokenPrices | None = None
) -> TokenPrices:
    """Return the prices of a call that the ledger has, by its model and the two prices that it was bought at. The prices of
    cached tokens, which the ledger does not have, are in the proportion of `known`, or else of the published prices."""
    listed = known or next(
        (price for name in _names(model) for _, price in _table().get(name, ())), TokenPrices()
    )
    return listed.at(prompt, completion)


def date() -> str:
    """Return the date of the published prices, as YYYY-MM-DD."""
    return str(tomllib.loads(FILE.read_text(encoding="utf-8"))["date"])


@functools.cache
def _table() -> dict[str, list[tuple[tuple[str, ...], TokenPrices]]]:
    """Return name -> [(ends of host names, price)]."""
    table: dict[str, list[tuple[tuple[str, ...], TokenPrices]]] = {}
    for group in tomllib.loads(FILE.read_text(encoding="utf-8")).values():
        if not isinstance(group, dict):
            continue
        for entry in group["models"]:
            price = TokenPrices(
                float(entry["in"]),
                float(entry["out"]),
                entry.get("read"),
                entry.get("write"),
                group.get("batch", BATCH),
            )
            table.setdefault(entry["name"], []).append((tuple(group.get("hosts", ())), price))
    return table


_DATED = re.compile(r"(?:[-@]20\d{2}-?\d{2}-?\d{2}|-latest|@default)$")
_VERSIONED = re.compile(r"-v\d+(?::\d+)?$")  # as Bedrock writes it
_REGION = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca)\.")


def _names(model: str) -> list[str]:
    """Return the names under which a model may be listed, the exact one first."""
    bare = _REGION.sub("", model.removeprefix("models/"))
    names = [bare, bare.rsplit("/", 1)[-1]]  # gateways put the vendor before it
    names += [_VERSIONED.sub("", name) for name in names]
    names += [_DATED.sub("", name) for name in names]
    return list(dict.fromkeys(names))
