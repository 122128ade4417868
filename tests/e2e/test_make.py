"""One method alone, as a user starts it: the same stages as in a night, published once, with its lineage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.processes import Home

pytestmark = pytest.mark.e2e

ALONE = ("make", "self_instruct", "--dataset", "mine", "--target", "6")
QUICK = ("--set", "similarity.semantic=ignore", "--set", "solve.samples=2", "--set", "score.canaries=0")


def test_a_method_alone_passes_the_stages_of_a_night(home: Callable[..., Home]) -> None:
    one = home()
    version = one.json(*ALONE, *QUICK)
    lineage = version["lineage"]
    assert lineage["flow"] == "make"
    assert lineage["run"].startswith("make-")
    assert lineage["parameters"]["method"] == "self_instruct"
    assert lineage["parameters"]["generate"]["methods"] == {"self_instruct": 1.0}
    stages = [line["stage"] for line in lineage["funnel"]]
    assert {"generate", "similarity", "solve", "verify", "critique", "weigh", "dedup", "certify"} <= set(
        stages
    )
    assert "probe" not in stages
    for line in lineage["funnel"]:
        assert line["asked"] == line["kept"] + line["rejected"] + line["failed"]
    assert version["rows"] <= 6


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("make",), "setting method: none is given. Fix: "),
        (("make", "similr", "--dataset", "x"), "unknown method 'similr', the nearest is 'similar'"),
        (("make", "self_instruct"), "setting dataset: no name is given. Fix: "),
        (("make", "self_instruct", "--dataset", "x"), "setting target: self_instruct can make any number"),
        (
            ("make", "self_instruct", "nosuch", "--dataset", "x", "--target", "5"),
            "there is no dataset 'nosuch'",
        ),
    ],
)
def test_what_is_missing_is_one_line_with_its_fix(
    home: Callable[..., Home], words: tuple[str, ...], line: str
) -> None:
    done = home().run(*words, code=2)
    (last,) = [text for text in done.stderr.splitlines() if text.startswith("mathmill:")]
    assert line in last
