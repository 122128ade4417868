"""Services that answer batches at half the price: OpenAI's Batch API, Anthropic's Message Batches and Gemini's batch mode.

All are called by the client of the openai package, which retries and whose errors are those of this module's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import orjson

from tasks.llm import providers
from tasks.llm.dialect import Dialect
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.request import Request

if TYPE_CHECKING:
    import openai

ENDED = ("completed", "failed", "expired", "cancelled")  # words of OpenAI's Batch API
CLOCKS = 600.0  # seconds by which the clock of a service may be behind ours


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch that is to be submitted: its name, its input file and the number of its requests. `others` are the ids of
    the batches that this installation submitted before."""

    name: str
    file: Path
    count: int
    others: Collection[str]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """The state of a submitted batch: the word of the service, whether it has ended, why it failed as a whole (None if it
    did not), and the names of its result files by kind, "output" or "errors"."""

    status: str
    ended: bool
    failure: str | None
    results: dict[str, str]


class BatchService(Protocol):
    """The contract of a service. All functions but `line` raise openai.APIError."""

    def line(self, key: str, request: Request, dialect: Dialect) -> bytes:
        """Return the line of the input file for a request, with a line break."""
        ...

    def submitted(self, client: openai.OpenAI, batch: Submission) -> str:
        """Submit a batch and return its id. One that a killed run had submitted without saving the id is found again."""
        ...

    def progress(self, client: openai.OpenAI, batch_id: str) -> BatchProgress:
        """Return the state of a batch."""
        ...

    @property
    def results(self) -> Callable[[openai.OpenAI, str], Any]:
        """The context manager `results(client, name)` of a result file: an iterator of bytes."""
        ...


class OpenAiBatches:
    """OpenAI's Batch API, for calls of chat completions or of the Responses API. The same files work with `vllm run-batch`."""

    def __init__(self, api: str) -> None:
        self._form = providers.wire_format(api)

    def line(self, key: str, request: Request, dialect: Dialect) -> bytes:
        url = f"/v1{self._form.path(request.model)}"
        body = orjson.loads(self._form.body(request, dialect))
        return orjson.dumps({"custom_id": key, "method": "POST", "url": url, "body": body}) + b"\n"

    def submitted(self, client: openai.OpenAI, batch: Submission) -> str:
        for known in client.batches.list(limit=100):
            if (known.metadata or {}).get("mathmill") == batch.name and known.status != "failed":
                return str(known.id)
        with batch.file.open("rb") as data:
            file = client.files.create(file=(batch.file.name, data), purpose="batch")
        path: Any = f"/v1{self._form.path('')}"
        # Without retries: a creation whose response was lost would be paid for twice; the next poll finds it.
        created = client.with_options(max_retries=0).batches.create(
            input_file_id=file.id, endpoint=path, completion_window="24h", metadata={"mathmill": batch.name}
        )
        return str(created.id)

    def progress(self, client: openai.OpenAI, batch_id: str) -> BatchProgress:
        batch = client.batches.retrieve(batch_id)
        failure = None
        if batch.status == "failed":
            errors = batch.errors.data if batch.errors is not None else None
            failure = (errors[0].message if errors else None) or "no reason given"
        files = {"output": batch.output_file_id, "errors": batch.error_file_id}
        results = {kind: name for kind, name in files.items() if name}
        return BatchProgress(batch.status, batch.status in ENDED, failure, results)

    @contextmanager
    def results(self, client: openai.OpenAI, name: str) -> Iterator[Iterator[bytes]]:
        with client.files.with_streaming_response.content(name) as response:
            yield response.iter_bytes()


class _KeyInOwnHeader:
    """What services share whose key goes in a header of their own: plain calls, and the download of a result file."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._bearer = "authorization" in map(str.lower, endpoint.request_headers())

    @contextmanager
    def results(self, client: openai.OpenAI, name: str) -> Iterator[Iterator[bytes]]:
        from openai import Stream

        options = self._options()
        with client.get(
            name, cast_to=object, options=options, stream=True, stream_cls=Stream[object]
        ) as stream:
            yield stream.response.iter_bytes()

    def _options(self, headers: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """Return the options of a call: the client's own Authorization is left out, unless the settings name that header."""
        from openai import Omit

        return {"headers": dict(headers) if self._bearer else {**headers, "Authorization": Omit()}}


class AnthropicBatches(_KeyInOwnHeader):
    """Anthropic's Message Batches: https://platform.claude.com/docs/en/build-with-claude/batch-processing."""

    PATH = "/messages/batches"

    def line(self, key: str, request: Request, dialect: Dialect) -> bytes:
        params = orjson.loads(providers.wire_format("anthropic").body(request, dialect))
        return orjson.dumps({"custom_id": key, "params": params}) + b"\n"

    def submitted(self, client: openai.OpenAI, batch: Submission) -> str:
        """Submit a batch. Since a batch has no name there, one that was submitted before is recognised by its number of
        requests, its time and that no other batch of this installation has its id."""
        listed = client.get(f"{self.PATH}?limit=100", cast_to=dict[str, Any], options=self._options())
        written = batch.file.stat().st_mtime
        for known in reversed(listed.get("data") or []):  # the oldest first
            created = datetime.fromisoformat(str(known["created_at"]).replace("Z", "+00:00")).timestamp()
            same = sum(known["request_counts"].values()) == batch.count and created > written - CLOCKS
            if same and known["id"] not in batch.others:
                return str(known["id"])
        body = b'{"requests":[' + b",".join(batch.file.read_bytes().splitlines()) + b"]}"
        # Without retries: a creation whose response was lost would be paid for twice; the next poll finds it.
        once = client.with_options(max_retries=0)
        options = self._options({"Content-Type": "application/json"})
        return str(once.post(self.PATH, cast_to=dict[str, Any], content=body, options=options)["id"])

    def progress(self, client: openai.OpenAI, batch_id: str) -> BatchProgress:
        path = f"{self.PATH}/{batch_id}"
        status = str(client.get(path, cast_to=dict[str, Any], options=self._options())["processing_status"])
        ended = status == "ended"
        return BatchProgress(status, ended, None, {"output": f"{path}/results"} if ended else {})


class GeminiBatches(_KeyInOwnHeader):
    """Gemini's batch mode: https://ai.google.dev/api/batch-api. The requests are uploaded as a file, which the service keeps
    for two days."""

    _ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._path = providers.wire_format("gemini").path(endpoint.model).replace(":generateContent", "")
        root, _, version = (endpoint.base_urls[0] if endpoint.base_urls else "").rpartition("/")
        self._uploads = f"{root}/upload/{version}/files"
        self._own_headers = tuple(endpoint.request_headers())

    def line(self, key: str, request: Request, dialect: Dialect) -> bytes:
        body = orjson.loads(providers.wire_format("gemini").body(request, dialect))
        return orjson.dumps({"key": key, "request": body}) + b"\n"

    def submitted(self, client: openai.OpenAI, batch: Submission) -> str:
        for known in self._listed(client):
            about = _object(known, "metadata")
            if about.get("displayName") == batch.name and self._state(about) not in ("FAILED", "EXPIRED"):
                return str(known["name"])
        file = self._uploaded(client, batch)
        body = {"batch": {"displayName": batch.name, "inputConfig": {"fileName": file}}}
        # Without retries: a creation whose response was lost would be paid for twice; the next poll finds it.
        once = client.with_options(max_retries=0)
        path = f"{self._path}:batchGenerateContent"
        return str(once.post(path, cast_to=dict[str, Any], body=body, options=self._options())["name"])

    def progress(self, client: openai.OpenAI, batch_id: str) -> BatchProgress:
        batch = client.get(f"/{batch_id}", cast_to=dict[str, Any], options=self._options())
        about = _object(batch, "metadata")
        state = self._state(about)
        failure = None
        if state == "FAILED":
            failure = str(_object(batch, "error").get("message") or "no reason given")
        file = (_object(about, "output") or _object(batch, "response")).get("responsesFile")
        results = {"output": f"/{file}:download?alt=media"} if file else {}
        return BatchProgress(state.lower(), state in self._ENDED, failure, results)

    def _listed(self, client: openai.OpenAI) -> Iterator[dict[str, Any]]:
        """Yield the batches of the account, the newest first."""
        page = ""
        while True:
            path = f"/batches?pageSize=100{f'&pageToken={quote(page)}' if page else ''}"
            listed = client.get(path, cast_to=dict[str, Any], options=self._options())
            yield from listed.get("operations") or ()
            page = str(listed.get("nextPageToken") or "")
            if not page:
                return

    def _uploaded(self, client: openai.OpenAI, batch: Submission) -> str:
        """Upload the input file and return its name, such as files/abc."""
        import httpx

        data = batch.file.read_bytes()
        opening = self._options(
            {
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Length": str(len(data)),
                "X-Goog-Upload-Header-Content-Type": "application/jsonl",
            }
        )
        opened = client.post(
            self._uploads,
            cast_to=httpx.Response,
            body={"file": {"displayName": batch.name}},
            options=opening,
        )
        url = opened.headers.get("x-goog-upload-url")
        if not url:
            raise EndpointError(
                "the Batch API gave no address for the upload of its input file. Fix: correct the base URL, or run without --batch"
            )
        from openai import Omit

        # The address of an upload has a secret of its own, and may be on another host: the key is not sent there.
        headers: dict[str, Any] = {name: Omit() for name in (*self._own_headers, "Authorization")}
        headers |= {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
        headers["Content-Type"] = "application/jsonl"
        sent = client.post(url, cast_to=dict[str, Any], content=data, options={"headers": headers})
        return str(_object(sent, "file")["name"])

    def _state(self, about: Mapping[str, Any]) -> str:
        """Return the state of a batch without its prefix, which is BATCH_STATE_ or JOB_STATE_."""
        return str(about.get("state") or "").rpartition("STATE_")[2]


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def batch_service(endpoint: Endpoint) -> BatchService:
    """Return the service for the wire format of an endpoint. Raises EndpointError if the format has none."""
    if endpoint.api in (providers.CHAT, "responses"):
        return OpenAiBatches(endpoint.api)
    if endpoint.api == "anthropic":
        return AnthropicBatches(endpoint)
    if endpoint.api == "gemini":
        return GeminiBatches(endpoint)
    raise EndpointError(
        f"batch mode is not available for {endpoint.setting('API')}={endpoint.api}. Fix: run without --batch"
    )
