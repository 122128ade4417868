"""The tasks of MiniWoB++ in a real browser: what a page asks for and shows, and the reward of actions.

The pages are those of the package `miniwob`, of which only the HTML is used, and are opened in Chromium with no network. A page is drawn
anew from a seed, so that a task and a seed are one item. An agent sees the task and the elements of the page as text, each with a number, and writes
all of its actions at once: `click [3]`, `type [4] "text"`, `select [5] "an option"`. So tasks whose elements appear while one acts cannot be
solved, nor those that ask for dragging, drawing or keys.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from playwright.sync_api import Page

MOST_ACTIONS: Final = 30
FIX: Final = "Fix: pip install playwright; pip install --no-deps miniwob; apt-get install chromium"
_LIMIT_MS: Final = 2_000_000_000  # of an episode: a busy machine must not make an answer wrong; more overflows the timers of a browser
_WITHIN_MS: Final = 120_000
_ACTION: Final = re.compile(
    r"""^[\s*\-\d.)`]*(?:(click)\s*\[?(\d+)\]?|(type|select)\s*\[?(\d+)\]?\s*[:,]?\s*["'“](.*)["'”])[\s.`]*$""",
    re.IGNORECASE,
)

# numbers the elements that an agent may act on or read, and returns a line for each
_LISTED: Final = """() => {
  const own = e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join(' ').trim();
  const acts = new Set(['button', 'input', 'textarea', 'select', 'a', 'label', 'circle', 'rect', 'polygon']);
  window.numbered = [...document.querySelectorAll('#area *')].filter(e =>
    e.getClientRects().length && (acts.has(e.tagName.toLowerCase()) || own(e) || e.onclick));
  return window.numbered.map((e, i) => {
    const tag = e.tagName.toLowerCase(), parts = [`[${i + 1}]`, tag];
    if (tag === 'input') parts.push(e.type + (e.checked ? ' checked' : ''));
    if (tag === 'select') parts.push('of ' + [...e.options].map(o => JSON.stringify(o.text)).join(', '));
    const boxed = ['checkbox', 'radio'].includes(e.type), field = ['input', 'textarea'].includes(tag);
    const text = field ? (boxed ? '' : e.value) : tag === 'select' ? '' : own(e);
    if (e.hasAttribute('cx')) parts.push(`at ${e.getAttribute('cx')}, ${e.getAttribute('cy')}`);
    if (text) parts.push(JSON.stringify(text));
    if (e.placeholder) parts.push('for ' + JSON.stringify(e.placeholder));
    return parts.join(' ');
  });
}"""
_ACT: Final = """([kind, number, text]) => {
  const e = (window.numbered || [])[number - 1];
  if (!e || !e.isConnected) return false;
  if (kind === 'click') {
    for (const name of ['mousedown', 'mouseup', 'click']) e.dispatchEvent(new MouseEvent(name, {bubbles: true, cancelable: true, view: window}));
    return true;
  }
  if (kind === 'select') {
    const option = [...(e.options || [])].find(o => o.text.trim() === text.trim());
    if (!option) return false;
    e.value = option.value;
  } else {
    if (!('value' in e)) return false;
    e.focus();
    e.value = text;
  }
  for (const name of ['input', 'change', 'keyup']) e.dispatchEvent(new Event(name, {bubbles: true}));
  return true;
}"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebTask:
    """A page of MiniWoB++, such as click-test-2, drawn from a seed."""

    name: str
    seed: int


@dataclass(frozen=True, slots=True)
class Action:
    """One action: `kind` is click, type or select, `element` the number of the element."""

    kind: str
    element: int
    text: str = ""


def unavailable() -> str | None:
    """Return why the tasks cannot be run here, None if they can."""
    if _pages() is None:
        return f"its pages are in the package miniwob, which is not installed. {FIX}"
    if importlib.util.find_spec("playwright") is None:
        return f"its tasks run in a browser, which playwright drives; it is not installed. {FIX}"
    if _chromium() is None:
        return f"its tasks run in a browser, and chromium is not installed. {FIX}"
    return None


def page_of(name: str) -> Path | None:
    """Return the page of a task such as click-test-2 or miniwob/click-test-2-v1, None if there is none."""
    folder = _pages()
    plain = re.sub(r"-v\d+$", "", name.strip().removeprefix("miniwob/"))
    if folder is None or not re.fullmatch(r"[a-z0-9-]+", plain):
        return None
    page = folder / f"{plain}.html"
    return page if page.is_file() else None


def observed(tasks: Sequence[WebTask]) -> list[str]:
    """Return what an agent is shown of each task: what it asks for, and the numbered elements of its page."""

    def look(page: Page, task: WebTask) -> str:
        asked = page.evaluate(
            "() => core.getUtterance ? core.getUtterance() : document.querySelector('#query').textContent"
        )
        words = asked if isinstance(asked, str) else str(asked.get("utterance", ""))
        return "\n".join(["Task: " + " ".join(words.split()), "Page:", *page.evaluate(_LISTED)])

    return _each(tasks, look)


def rewards(tasks: Sequence[WebTask], actions: Sequence[Sequence[Action]]) -> list[float]:
    """Return the reward of the actions on each task, without a penalty for time: above 0 if it is solved; 0 if the page did not end."""
    planned = dict(enumerate(actions))
    numbers = iter(range(len(tasks)))

    def act(page: Page, task: WebTask) -> float:
        page.evaluate(_LISTED)
        for action in planned[next(numbers)]:
            if page.evaluate("() => WOB_DONE_GLOBAL") or not page.evaluate(
                _ACT, [action.kind, action.element, action.text]
            ):
                break
        return float(page.evaluate("() => WOB_DONE_GLOBAL ? WOB_RAW_REWARD_GLOBAL : 0"))

    return _each(tasks, act)


def actions_of(text: str) -> list[Action]:
    """Return the actions that the lines of a reply write, at most MOST_ACTIONS; other lines are words."""
    actions = []
    for line in text.splitlines():
        if match := _ACTION.match(line):
            click, clicked, other, element, words = match.groups()
            actions.append(
                Action("click", int(clicked)) if click else Action(other.lower(), int(element), words)
            )
    return actions[:MOST_ACTIONS]


def _each(tasks: Sequence[WebTask], use: Callable[[Page, WebTask], T]) -> list[T]:
    """Open each task in one browser, in a thread of its own, since the one of the caller may run an event loop."""

    def work() -> list[T]:
        from playwright.sync_api import sync_playwright

        results = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"]
            )
            context = browser.new_context(offline=True, viewport={"width": 500, "height": 500})
            context.set_default_timeout(_WITHIN_MS)
            for task in tasks:
                address = page_of(task.name)
                if address is None:
                    raise ValueError(
                        f"there is no task {task.name!r} of MiniWoB++. Fix: one such as click-test-2"
                    )
                page = context.new_page()
                page.goto(address.as_uri())
                page.evaluate(
                    f"() => {{ core.EPISODE_MAX_TIME = {_LIMIT_MS}; Math.seedrandom('{task.seed}'); core.startEpisodeReal(); }}"
                )
                results.append(use(page, task))
                page.close()
            browser.close()
        return results

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _pages() -> Path | None:
    """Return the folder of the pages; the package is not imported, as it would load its own browser driver."""
    spec = importlib.util.find_spec("miniwob")
    places: Any = spec.submodule_search_locations if spec is not None else None
    folder = Path(next(iter(places), "")) / "html" / "miniwob" if places else None
    return folder if folder is not None and folder.is_dir() else None


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
