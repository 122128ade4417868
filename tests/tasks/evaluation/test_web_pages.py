"""Tasks on web pages in a real browser: right actions are rewarded, wrong ones and none are not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tasks.answers import Judge
from tasks.evaluation import web_pages
from tasks.evaluation.benchmarks import miniwob
from tasks.evaluation.forms import browser
from tasks.evaluation.items import load
from tasks.evaluation.web_pages import Action, WebTask, actions_of, observed, rewards, unavailable

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
# a page as those of the package are: it draws its task from a seed, and sets the globals that rewards are read from
PAGE = """<html><body><div id="query"></div><div id="area"><button id="a">ONE</button><button id="b">TWO</button>
<input id="t" type="text"><select id="s"><option>Peru</option><option>Chad</option></select></div><script>
var WOB_DONE_GLOBAL = false, WOB_RAW_REWARD_GLOBAL = 0, seed = 0;
Math.seedrandom = text => { seed = Number(text); };
var core = {startEpisodeReal() {
  document.getElementById('query').textContent = `Enter "n${seed}", choose Chad,\\n and press ONE.`;
  const end = reward => { if (!WOB_DONE_GLOBAL) { WOB_DONE_GLOBAL = true; WOB_RAW_REWARD_GLOBAL = reward; } };
  document.getElementById('a').onclick = () =>
    end(document.getElementById('t').value === `n${seed}` && document.getElementById('s').value === 'Chad' ? 1 : -1);
  document.getElementById('b').onclick = () => end(-1);
}};
fetch('http://example.org/').then(() => { document.title = 'online'; }, () => { document.title = 'offline'; });
</script></body></html>"""


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "try-it.html").write_text(PAGE)
    monkeypatch.setattr(web_pages, "_pages", lambda: tmp_path)
    miniwob._observed.cache_clear()


@needs_chromium
@pytest.mark.slow
def test_actions_are_done_in_a_real_browser_and_rewarded_by_the_page(
    pages: None, tmp_path: Path, judge: Judge
) -> None:
    file = tmp_path / "miniwob.jsonl"
    file.write_text(
        json.dumps({"env": "miniwob/try-it-v1", "seed": 7, "seeds": 2})
        + '\n{"env": "miniwob/none-v1"}\n{"env": "../x"}\n'
    )
    items = load([file]).to_pylist()
    first, second, *unusable = items
    assert first["question"].splitlines() == [
        'Task: Enter "n7", choose Chad, and press ONE.', "Page:", '[1] button "ONE"', '[2] button "TWO"', "[3] input text", '[4] select of "Peru", "Chad"',
    ]  # fmt: skip
    assert '"n8"' in second["question"]
    assert all("is no page of MiniWoB++" in one["rejected"] for one in unusable)
    assert len(unusable) == 2
    right = 'type [3] "n7"\nselect [4] "Chad"\nclick [1]'
    texts = [
        right,
        right,
        f"<think>Press 2?</think>\n{right}",
        "click [2]",
        "click [1]",
        'type [3] "n7"',
        "click [99]",
        "no idea",
        f"click [2]\n{right}",
    ]
    asked = [first, second, *[first] * 7]
    answers = browser.answers(asked, texts, cut=[False] * len(texts), judge=judge, sandbox=None)
    assert browser.right(asked, answers, judge=judge) == [True, False, True, *[False] * 6]


def test_replies_are_read_as_actions() -> None:
    assert actions_of('1. click [2]\n`type [3] "a "b""`\nSELECT 4: "x"\nclick the button') == [
        Action("click", 2), Action("type", 3, 'a "b"'), Action("select", 4, "x"),
    ]  # fmt: skip
    assert len(actions_of("click [1]\n" * 100)) == web_pages.MOST_ACTIONS


def solved(text: str) -> list[Action]:
    """Return what somebody does who reads the page."""
    task = text.splitlines()[0]
    numbers = {
        match[2] or "": int(match[1]) for match in re.finditer(r'\[(\d+)\] \w+(?: \w+)? ?(?:"(.*)")?', text)
    }
    fields = [int(match[1]) for match in re.finditer(r"\[(\d+)\] (?:input (?:text|password)|textarea)", text)]
    typed = [
        Action("type", field, words)
        for field, words in zip(fields, re.findall(r'"(.*?)"', task), strict=False)
    ]
    if match := re.search(r"Select (\S+) from the list", task):
        typed = [Action("select", 1, match[1])]
    button = re.search(r'[Cc]lick (?:on the |button )?"?(\w+)"? ?(?:button|\.)|press (\w+)|click (\w+)', task)
    assert button is not None, text
    name = next(one for one in button.groups() if one)
    return [*typed, Action("click", next(n for label, n in numbers.items() if label.lower() == name.lower()))]


@needs_chromium
@pytest.mark.soak
def test_pages_of_the_package_reward_who_does_what_they_ask_for() -> None:
    if unavailable() is not None:
        pytest.skip(f"MiniWoB++: {unavailable()}")
    names = ("click-test-2", "enter-text", "choose-list", "login-user")
    tasks = [WebTask(name, seed) for name in names for seed in range(2)]
    shown = observed(tasks)
    assert shown == observed(tasks)  # a seed is one task
    assert len(set(shown)) >= 7  # click-test-2 has one text
    assert all(reward > 0 for reward in rewards(tasks, [solved(text) for text in shown]))
    assert all(
        reward <= 0 for reward in rewards(tasks, [[Action("click", 2)]] * 2 + [[Action("click", 1)]] * 6)
    )
