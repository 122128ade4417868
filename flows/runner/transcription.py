"""Calls of the role ocr for scanned pages: who transcribes, at what limits, and what it cost (tasks/documents/transcribing.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flows.config.documents import Documents
from flows.config.loading import ConfigError
from flows.runner.limits import limits_for, refuse_elsewhere
from flows.runner.resources import Tools
from flows.runner.run_notes import RunNote
from flows.runner.stages import Line
from flows.settings import OCR, Settings, load_settings
from storage.counting import counted
from tasks.documents.book_files import DocumentFile
from tasks.documents.scans import page_images, pages_in
from tasks.documents.transcribing import TOKENS, prompt_for, request_for
from tasks.llm.budget import BudgetExceeded
from tasks.llm.costs import total
from tasks.llm.endpoint import Endpoint
from tasks.llm.mix import identity
from tasks.llm.request import Usage
from tasks.llm.wire import estimate_prompt
from tasks.stages.documents import DocumentReading

CARRY_IMAGES: Final = ("chat", "azure")  # wire formats that send images as they are written in a request


def check_sees(settings: Settings) -> None:
    """Raise ConfigError if the role ocr cannot be sent images."""
    for endpoint, _ in settings.mix(OCR):
        if endpoint.api not in CARRY_IMAGES or not (endpoint.base_urls or endpoint.embedded):
            raise ConfigError(
                f"setting ocr: pages are sent as images over the wire formats {' and '.join(CARRY_IMAGES)} to a server, and "
                f"{endpoint.model} is reached otherwise. Fix: set {endpoint.setting('BASE_URL')} and {endpoint.setting('API')}=chat"
            )


def written_by(models: list[tuple[Endpoint, float]], languages: list[str]) -> tuple[str, list[str]]:
    """Return what decides what is transcribed of a page: the models, and the prompts of each."""
    return identity(models), sorted({prompt_for(languages, one.prompts).ref for one, _ in models})


@contextmanager
def calls_limited(tools: Tools, config: Documents, run: str) -> Iterator[None]:
    """Hold the calls of the block to the limits of the configuration. What `run` paid before it was killed counts as spent."""
    note = RunNote.start(tools.home, run, dict)
    tools.limits = limits_for(config, run, note.since, tools.ledger)
    refuse_elsewhere(tools.settings.runner, tools.limits)
    try:
        yield
    except BudgetExceeded:
        note.stopped()
        raise
    note.remove()


def transcribed(line: Line, config: Documents) -> dict[str, Any]:
    """Return what the lineage says of the pages that the role ocr has transcribed, and show it; nothing if there are none."""
    costs = [one for one in total(line.facts()) if one["role"] == OCR and one["completions"]]
    if not costs:
        return {}
    models, prompts = written_by(line.tools.settings.mix(OCR), config.languages)
    pages, usd = sum(one["completions"] for one in costs), sum(one["usd"] for one in costs)
    tokens = sum(one["prompt_tokens"] + one["completion_tokens"] for one in costs)
    line.bars.say(
        f"Transcribed {counted(pages, 'page')} by {models}: {tokens:,} tokens, {usd:.2f} USD, "
        f"{sum(one['cached'] for one in costs)} of them from the ledger"
    )
    return {"prompts": prompts, "transcribed": {"models": models, "pages": pages}}


def expected_calls(source: DocumentFile, reading: DocumentReading) -> str:
    """Return how many pages of a document would be transcribed, by which model, and about at what cost. No model is asked."""
    data = (source.root / source.name).read_bytes()
    count = pages_in(data, source.name, reading.limits)
    endpoint = load_settings().endpoint(OCR)
    prompt = prompt_for(reading.languages, endpoint.prompts)
    image = next(page_images(data, source.name, reading.limits))
    sent = count * estimate_prompt(request_for(image, prompt, endpoint.model))
    written = count * TOKENS
    usd = endpoint.price.cost(Usage(sent, written))
    return (
        f"{counted(count, 'scanned page')}, not read in a dry run: {counted(count, 'call')} of {endpoint.model}, "
        f"about {sent + written:,} tokens, {usd:.2f} USD"
    )
