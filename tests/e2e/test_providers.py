"""Whole nights and evaluations through the wire format of each provider, with faults in a tenth of the calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.ledger import Ledger
from tests.e2e.processes import Home, balanced, contents
from tests.tasks.llm.providers.fakes import KEY, Faults, serving
from tests.tasks.llm.providers.test_nights import PRICE_IN, PRICE_OUT, PROVIDERS

pytestmark = pytest.mark.e2e

NIGHT = ("nightly", "--target", "8", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore")
EVALUATION = ("evaluate", "student", "--baseline", "teacher", "--limit", "8", "--samples", "1")
ROLES = ("teacher", "reasoner", "critic", "student")


def settings(role: str, name: str, root: str) -> dict[str, str]:
    provider = PROVIDERS[name]
    stated = {
        "MODEL": provider.model, "BASE_URL": root + provider.base, "API": provider.form, "API_KEY": KEY,
        "PRICE_IN": str(PRICE_IN), "PRICE_OUT": str(PRICE_OUT), "REVISION": role,
    }  # fmt: skip
    return {f"MATHMILL_{role.upper()}__{setting}": value for setting, value in stated.items()}


@pytest.mark.soak  # runs more; tests/tasks/llm/providers has nights through each
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("anthropic", "gemini", "responses", "bedrock"), id="a provider per role"),
        *(pytest.param((name,) * 4, id=name, marks=pytest.mark.soak) for name in PROVIDERS),
    ],
)
def test_a_night_and_an_evaluation_through_providers(
    names: tuple[str, ...], home: Callable[..., Home], tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        apis: dict[str, Any] = {name: PROVIDERS[name].api(Faults(0.1)) for name in sorted(set(names))}
        roots = {name: stack.enter_context(serving(api.app)) for name, api in apis.items()}
        stated: dict[str, str] = {}
        for role, name in zip(ROLES, names, strict=True):
            stated |= settings(role, name, roots[name])
        one = home(**stated)
        printed = []

        def figures(where: Home, *words: str) -> Any:
            printed.append(where.run(*words))
            return where.json(*words)

        night = one.json(*NIGHT)
        evaluated = figures(one, *EVALUATION)
        asked = [api.faults.started for api in apis.values()]
        paid = sum(line["calls"] for line in night["lineage"]["service"])

        # the same again in another home with the same ledger asks for nothing
        other = home(**stated, MATHMILL_LEDGER=str(one.path / "ledger.sqlite"))
        again, evaluated_again = other.json(*NIGHT), figures(other, *EVALUATION)
        assert [api.faults.started for api in apis.values()] == asked
        printed += [
            one.run(*words) for words in (("doctor",), ("ledger", "stats"), ("verify",), ("plan", "nightly"))
        ]

    assert night["rows"] > 0
    balanced(night["lineage"])
    assert again["digest"] == night["digest"]
    assert evaluated_again["scores"] == evaluated["scores"]
    assert sum(api.faults.met.total() for api in apis.values()) > 0

    with Ledger.open(str(one.path / "ledger.sqlite")) as ledger:
        calls = [item for item in ledger.every() if item.call.status == 200]
    assert len(calls) == sum(asked) > paid > 0
    stated_usage = [item for item in calls if not item.estimated]
    assert sum(item.prompt_tokens for item in stated_usage) == sum(a.faults.sent for a in apis.values())
    assert sum(item.completion_tokens for item in stated_usage) == sum(
        a.faults.received for a in apis.values()
    )
    for item in calls:
        cost = (item.prompt_tokens * PRICE_IN + item.completion_tokens * PRICE_OUT) / 1e6
        assert item.cost == pytest.approx(cost)
    # what the night says that it paid is what the ledger has of it
    run = night["lineage"]["run"]
    usd = sum(line["usd"] for line in night["lineage"]["service"])
    assert usd == pytest.approx(sum(item.cost for item in calls if item.call.run == run))

    texts = [(str(done.args), done.stdout + done.stderr) for done in printed]
    texts += [("ledger", (item.call.raw + item.call.request).decode("latin-1")) for item in calls]
    texts += contents(one.path.parent)
    assert any(name.endswith(".html") for name, _ in texts)
    parts = [KEY[start : start + 8] for start in range(len(KEY) - 7)]
    assert [name for name, text in texts if any(part in text for part in parts)] == []
