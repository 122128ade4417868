"""A critic that begins to misjudge under the same name: a night is refused, says so everywhere, and is published once the change is
accepted."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from tasks.teacher.app import complete, digest_of
from tasks.teacher.character import STRONG, Character, Rates
from tasks.teacher.wire import ask_of, reply
from tests.e2e.endpoints import Answer, Body, Habits, serving
from tests.e2e.processes import Home

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

NORMAL, SABOTAGED = 4, 4  # nights before the change, and nights within which it has to be seen
NIGHT = (
    "nightly", "--target", "30", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore",
    "--set", "generate.languages={en: 1}", "--set", "verify.known=0.3", "--json",
)  # fmt: skip
MISJUDGING = Character(STRONG.name, Rates(misjudge=0.6))


def test_a_sabotaged_critic_stops_publishing_until_it_is_accepted(home: Callable[..., Home]) -> None:
    sabotaged = False

    def judged(asked: Body, good: Body, times: int) -> Answer:
        if not sabotaged:
            return 200, good
        ask = ask_of(orjson.dumps(asked))
        wrong: Body = orjson.loads(reply(ask, digest_of(ask).hex()[:24], complete(ask, MISJUDGING)))
        return 200, wrong

    habits = Habits(change=judged)
    with serving(habits) as url:
        one = home(MATHMILL_CRITIC__MODEL="embedded", MATHMILL_CRITIC__BASE_URL=url)
        versions = [one.json(*NIGHT) for _ in range(NORMAL)]
        assert [version["lineage"]["drift"]["shifts"] for version in versions] == [[]] * NORMAL
        assert "changed" not in one.run("drift", "math-sft").stdout
        sabotaged = True
        nights = 0
        while nights < SABOTAGED:
            nights += 1
            night = one.script(*NIGHT[:-1])
            if night.returncode:
                break
        assert night.returncode == 2
        # the terminal names what changed, in which role and since when, and what to do; nothing is published
        text = " ".join(night.stderr.split())
        assert "math-sft was not published" in text
        assert "judgements with a known truth that are right (critic, embedded)" in text
        assert "changed since the night of" in text
        assert "Fix: look at the model behind each role" in text
        published = NORMAL + nights - 1
        assert len(one.json("datasets")) == published
        shown = one.run("drift", "math-sft", code=1).stdout
        assert "changed" in shown
        assert "--accept" in shown
        # a night that is run again without an acceptance is refused again, and nothing is asked twice
        paid = sum(habits.paid.values())
        assert one.run(*NIGHT[:-1], code=2).returncode == 2
        accepted = one.run("drift", "math-sft", "--accept").stdout
        assert "Accepted: " in accepted
        assert "changed" not in one.run("drift", "math-sft").stdout
        version = one.json(*NIGHT)
        assert sum(habits.paid.values()) == paid
        assert version["lineage"]["drift"]["accepted"]["night"]
        canaries = version["lineage"]["canaries"]
        critics = [record for record in canaries if record["role"] == "critic"]
        assert sum(record["again"] for record in critics) > 0
        report = (one.path / "reports" / f"{version['version']}.html").read_text()
        assert "Beside earlier nights" in report
        assert one.json(*NIGHT)["version"] != version["version"]  # the next one publishes
        assert len(one.json("datasets")) == published + 2
