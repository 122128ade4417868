"""Pages without a text layer, transcribed by a vision model: each page is one call with its image (prompt `ocr`).

The calls go through the engine like all others: no page that is in the ledger is asked for again, and the budget of the run holds. An
unusable completion is requested once more. A document with a page that has no usable completion after that is not read: nothing
of it is published, the pages that were transcribed stay in the ledger, and the next run asks for the others alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import prompts
from prompts import Prompt
from prompts.asking_again import FaultKind, ReplyFault
from tasks.documents.reading import ReadingFailed
from tasks.documents.transcripts import read
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Completion, Engine, Request
from tasks.seeding import seed_of

PROMPT: Final = "ocr"
TOKENS: Final = 900  # of the completion for a page, about


def prompt_for(languages: Iterable[str], overlay: Path | None) -> Prompt:
    """Return the prompt for documents of these languages: the Chinese one where Chinese is wanted and English is not."""
    chosen = set(languages)
    return prompts.load(PROMPT, "zh" if "zh" in chosen and "en" not in chosen else "en", overlay)


class Transcriber:
    """Transcribes the pages of documents, and adds up in `costs` what that cost. The engine is opened at the first page."""

    def __init__(self, engine: Callable[[], Engine], languages: Iterable[str]) -> None:
        self._engine = engine
        self._languages = tuple(languages)
        self.costs: RoleCosts | None = None

    def pages(self, name: str, images: Iterable[bytes]) -> list[str]:
        """Return the text of each page of the document `name`, whose images are PNG files.

        Raises ReadingFailed if a page has no usable completion, after all pages were asked for; EndpointError and
        BudgetExceeded as the engine.
        """
        engine = self._engine()
        prompt, model = prompt_for(self._languages, engine.endpoint.prompts), engine.endpoint.model
        costs = self.costs = self.costs or RoleCosts.of(engine.endpoint)
        texts: list[str] = []
        failed: list[tuple[int, str]] = []
        completions = engine.run((request_for(image, prompt, model) for image in images), _check)
        for number, completion in enumerate(completions, 1):
            costs.add(completion)
            if completion.error is not None:
                failed.append((number, completion.error))
            texts.append(read(completion.text or "", cut=completion.finish_reason == "length").text)
        if failed:
            others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise ReadingFailed(
                f"{name}: page {failed[0][0]} was not transcribed ({failed[0][1]}){others}. "
                "Fix: run again, which asks for these pages alone, or use another model (MATHMILL_OCR__MODEL)"
            )
        return texts


def message_parts(text: str, image: bytes) -> list[dict[str, object]]:
    """Return the content of a message with a text and a PNG image."""
    url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]


def request_for(image: bytes, prompt: Prompt, model: str) -> Request:
    """Return the request for the page whose image is a PNG file."""
    *before, user = prompt.messages()
    return Request(
        messages=[*before, {"role": "user", "content": message_parts(user["content"], image)}],
        model=model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed_of(PROMPT, hashlib.sha256(image).hexdigest()),
        tag=PROMPT,
    )


def _check(completion: Completion) -> ReplyFault | None:
    fault = read(completion.text or "", cut=completion.finish_reason == "length").fault
    return ReplyFault(FaultKind.OTHER, fault) if fault else None
