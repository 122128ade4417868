"""A wave's questions are shared out over languages and topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from flows.config.nightly import Nightly
from flows.runner.planning import Plan, Planner, shared_out
from storage.stage_cache.shards import Ref
from tasks.demand import Demand
from tasks.methods import Quota
from tasks.taxonomy import SUBDOMAINS

TOPICS = [f"topic {number}" for number in range(32)]


@pytest.mark.parametrize("questions", [1, 4, 7, 20, 33, 100, 1000])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_languages_get_their_shares_of_few_questions_too(questions: int, share: float) -> None:
    quota = shared_out({"en": 1 - share, "zh": share}, TOPICS, questions, turn=3)
    by_language = Counter[str]()
    for (language, _), count in quota.items():
        by_language[language] += count
    assert by_language.total() == questions
    assert abs(by_language["zh"] - share * questions) < 1
    assert all(count > 0 for count in quota.values())
    for language in by_language:
        counts = [quota.get((language, topic), 0) for topic in TOPICS]
        assert max(counts) - min(counts) <= 1


def test_topics_take_turns() -> None:
    first, second = (shared_out({"en": 1.0}, TOPICS, 5, turn) for turn in (1, 2))
    assert first.keys() != second.keys()
    assert first == shared_out({"en": 1.0}, TOPICS, 5, 1)


def test_a_language_without_a_share_has_no_question() -> None:
    assert {language for language, _ in shared_out({"en": 1.0, "zh": 0.0}, TOPICS, 50, 1)} == {"en"}


class Quotas(Planner):
    """Plans without asks: the quota of each method is what the tests look at."""

    def plan(self, name: str, pool: Sequence[Ref], quota: Quota) -> Plan:
        return Plan(name, "questions", [], quota)


def quotas(missing: dict[str, int], **settings: object) -> dict[str, Quota]:
    config = Nightly.model_validate({"target": 100, **settings})
    planner = Quotas(config, None, 1, Demand(1, 1, {}, 20), None, None, 1)  # type: ignore[arg-type]
    return {plan.method: plan.quota for plan in planner.plan_wave(missing, Counter(), [])}


def test_a_method_with_subdomains_of_its_own_has_a_quota_of_these_and_the_others_of_the_rest() -> None:
    weights = {"methods": {"self_instruct": 3.0, "zebra": 1.0}}
    both = quotas({"": 400}, generate=weights)
    assert {subdomain for _, subdomain in both["zebra"]} == {"logic puzzles"}
    assert {subdomain for _, subdomain in both["self_instruct"]} == set(SUBDOMAINS)
    assert sum(both["zebra"].values()) == pytest.approx(sum(both["self_instruct"].values()) / 3, abs=1)
    assert (
        both["self_instruct"]
        == quotas({"": 300}, generate={"methods": {"self_instruct": 1.0}})["self_instruct"]
    )


def test_a_domain_is_asked_for_where_a_method_has_it() -> None:
    weights = {"methods": {"self_instruct": 1.0, "zebra": 1.0}}
    assert set(quotas({"logic": 10}, generate=weights)) == {"zebra"}
    assert set(quotas({"algebra": 10}, generate=weights)) == {"self_instruct"}
