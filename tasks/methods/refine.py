"""Passages of books rewritten as articles (after Cosmopedia, Ben Allal et al. 2024), or with the thoughts of an expert on them.

An article has its background knowledge first, for one of AUDIENCES in one of STYLES, which are dealt over the passages. What the
passage states has to occur again: the share of its formulas, numbers and named theorems that do is the score `coverage`, and an
article below the setting `coverage` is refused. With the setting `thinking` the text is the passage followed by the thoughts of an
expert who reads it (thinking-augmented pre-training, Wang et al. 2025, arXiv:2509.20186).
"""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pyarrow as pa
from pydantic import Field

from prompts.asking_again import FaultKind, ReplyFault
from storage.reasons import Code, shortened
from storage.rows import TEXT, DocumentBlock
from tasks.documents.omissions import kept_of
from tasks.methods import Ask, Item, Makes, Quota, Takes, malformed
from tasks.replies.items import unfit
from tasks.replies.solutions import read as read_reply
from tasks.seeding import seed_of
from tasks.settings import Section, Share

prompt = "refine"
makes: Makes = "texts"
takes: Takes = "documents"

THINKING = "refine_thinking"  # the prompt of the variant
AUDIENCES = ("school", "undergraduate", "graduate")
STYLES = ("textbook", "lecture", "tutorial", "encyclopedia")
SHORTEST = 200  # characters below which a passage is not rewritten
COVERAGE = "coverage"  # the name of the score
SHOWN = 20  # missing formulas and numbers that a row names at most

# marks of the parts of a reply, in the languages of the prompts
_PARTS = {
    "background knowledge": "background", "背景知识": "background",
    "main body": "body", "正文": "body",
    "thinking": "thinking", "思考": "thinking",
    "end": "end", "结束": "end",
}  # fmt: skip
_MARK = re.compile(
    rf"[*#`> \t]{{0,8}}=={{1,4}}[ \t]{{0,4}}({'|'.join(_PARTS)})[ \t]{{0,4}}:?=={{1,4}}[*`:： \t]{{0,8}}",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t][^\n]*\n?", re.MULTILINE)
_BOLD_TITLE = re.compile(r"\A\*\*[^*\n]{1,200}\*\*[ \t]*\n")
_PICTURE = re.compile(
    r"!\[[^\]\n]{0,400}\]\([^)\n]{0,400}\)|<img\b[^>\n]{0,400}>|^\[(?:Figure|Image|图)[^\]\n]{0,2000}\]$",
    re.MULTILINE,
)
_BLANK_LINES = re.compile(r"\n{3,}")


class RefineSettings(Section):
    coverage: Share = Field(
        0.8,
        description="least share of the formulas, numbers and named theorems of a passage that its article has again",
    )
    thinking: bool = Field(
        False, description="the passage followed by an expert's thoughts on it, instead of an article"
    )


own_settings = RefineSettings


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    settings: Section | None = None,
) -> list[Ask]:
    """Return one ask per passage, in an order that follows from the random seed, until the quota is met."""
    own = settings if isinstance(settings, RefineSettings) else RefineSettings()
    manners = [(audience, style) for style in STYLES for audience in AUDIENCES]
    first = seed_of(seed, prompt, "manner")
    asks: list[Ask] = []
    for row in sorted(pool.to_pylist(), key=lambda row: seed_of(seed, prompt, row["id"])):
        if len(asks) >= sum(quota.values()):
            break
        text = article(row["question"], row["blocks"])
        if len(text) < SHORTEST:
            continue
        audience, style = manners[(first + len(asks)) % len(manners)]
        asks.append(
            Ask(
                prompt,
                THINKING if own.thinking else prompt,
                row["language"],
                row["subdomain"],
                1,
                {
                    "passage": text,
                    "audience": audience,
                    "style": style,
                    "coverage": own.coverage,
                    "document": orjson.loads(row["params"] or "{}"),
                },
                [row["id"]],
                seed_of(seed, prompt, row["id"], "asked"),
                inherited={name: row[name] for name in ("source", "license", "domain") if row[name]},
            )
        )
    return asks


def article(text: str, blocks: list[DocumentBlock] | None) -> str:
    """Return what of a passage is rewritten: all of it but exercises, what is printed for them, captions, footnotes and pictures."""
    if blocks is not None:
        kept: list[str] = []
        exercise = False
        for block in blocks:
            kind = block["kind"]
            if kind in ("exercise", "example"):
                exercise = kind == "exercise"
            if kind in ("hint", "caption", "footnote") or (
                exercise and kind in ("exercise", "answer", "solution")
            ):
                continue
            kept.append(block["text"])
        text = "\n\n".join(kept)
    return _without_pictures(text)


def read(text: str, *, cut: bool) -> list[Item]:
    """Return the article, or the thoughts, of a completion as one item; its parts are joined without their marks."""
    reply = read_reply(text)
    if not reply.solution.strip() and reply.unfinished:
        return [Item(code=Code.UNFINISHED_THINKING)]
    body = reply.solution
    marks = list(_MARK.finditer(body))
    parts: dict[str, str] = {}
    ended = False
    for number, mark in enumerate(marks):
        stop = marks[number + 1].start() if number + 1 < len(marks) else len(body)
        part = _PARTS[mark[1].lower()]
        if part == "end":
            ended = bool(parts)
            break
        # a model may name the parts before it writes them: the last of each counts
        parts[part] = _plain(body[mark.end() : stop])
    written = [parts.get("background", ""), parts.get("body") or parts.get("thinking", "")]
    if not written[1]:
        return [Item(code=Code.TRUNCATED) if cut else Item(code=Code.NO_PARTS)]
    if not ended:
        return [Item(code=Code.TRUNCATED if cut else Code.NO_END)]
    whole = "\n\n".join(part for part in written if part)
    if why := unfit(whole):
        return [malformed(ReplyFault(FaultKind.OTHER, why))]
    return [Item(whole, kind=TEXT, params={"parts": sorted(name for name, part in parts.items() if part)})]


def check(item: Item, ask: Ask) -> Item:
    """Return the article with its coverage of the passage, or with the reason that it leaves out too much; of thoughts, the
    passage with the thoughts behind it."""
    shown = ask.variables
    params = {"audience": shown["audience"], "document": shown["document"]}
    if ask.prompt == THINKING:
        if "thinking" not in item.params["parts"]:
            return replace(item, code=Code.NO_PARTS)
        return replace(item, question=f"{shown['passage']}\n\n{item.question}", params=params)
    if "body" not in item.params["parts"] or "background" not in item.params["parts"]:
        return replace(item, code=Code.NO_PARTS)
    kept = kept_of(shown["passage"], item.question)
    item = replace(
        item,
        scores={COVERAGE: kept.share},
        params=params
        | {"style": shown["style"], "missing": [shortened(one, 80) for one in kept.missing[:SHOWN]]},
    )
    if kept.share < shown["coverage"]:
        values = {
            "name": COVERAGE,
            "score": f"{int(100 * kept.share) / 100:.2f}",
            "threshold": f"{shown['coverage']:.2f}",
        }
        return replace(item, code=Code.BELOW_THRESHOLD, values=values)
    return item


def _plain(text: str) -> str:
    """Return a part without titles, headings and pictures."""
    return _without_pictures(_BOLD_TITLE.sub("", _HEADING.sub("", text.strip())))


def _without_pictures(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", _PICTURE.sub("", text)).strip()
