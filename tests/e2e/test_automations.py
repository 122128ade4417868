"""`mathmill automations` makes what the Prefect server does by itself, and brings it up to date when it is run again."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.processes import Home, fetch

pytestmark = pytest.mark.e2e


def automations(api: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in fetch(f"{api}/automations/filter", {"limit": 200})}


def change(method: str, url: str, body: dict[str, bool] | None = None) -> None:
    """Send a change, again as Prefect's own client does while the server's SQLite database is locked (503)."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    for attempt in range(10):
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                assert reply.status == 204
            return
        except urllib.error.HTTPError as error:
            if error.code != 503 or attempt == 9:
                raise
            time.sleep(1)


def test_run_again_they_are_brought_up_to_date(home: Callable[..., Home], prefect_api: str) -> None:
    one = home()
    one.path.parent.mkdir(parents=True, exist_ok=True)
    first = one.run("automations").stdout.split("\n")
    existing = automations(prefect_api)
    try:
        change(
            "PATCH",
            f"{prefect_api}/automations/{existing['mathmill: gate failed']['id']}",
            {"enabled": False},
        )
        again = one.run("automations").stdout.split("\n")
        after = automations(prefect_api)
    finally:  # other tests use this server
        for automation in existing.values():
            change("DELETE", f"{prefect_api}/automations/{automation['id']}")
    assert again == first
    assert {name: a["id"] for name, a in after.items()} == {name: a["id"] for name, a in existing.items()}
    assert after["mathmill: gate failed"]["enabled"]
