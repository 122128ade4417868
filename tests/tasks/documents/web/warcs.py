"""Makes WARC files for tests."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter


def written(path: Path, responses: Iterable[tuple[str, str, bytes]], kind: str = "response") -> Path:
    """Write (URL, content type, body) as a WARC file, with a warcinfo and a request before them."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=path.name.endswith(".gz"))
        writer.write_record(writer.create_warcinfo_record(path.name, {"software": "test"}))
        request = StatusAndHeaders("GET / HTTP/1.1", [("Host", "a.org")], is_http_request=True)
        writer.write_record(
            writer.create_warc_record(
                "https://a.org/", "request", payload=io.BytesIO(b""), http_headers=request
            )
        )
        for url, content_type, body in responses:
            headers: Any = StatusAndHeaders("200 OK", [("Content-Type", content_type)], protocol="HTTP/1.1")
            if kind == "conversion":
                headers = None
            record = writer.create_warc_record(
                url,
                kind,
                payload=io.BytesIO(body),
                http_headers=headers,
                warc_content_type=content_type if headers is None else None,
            )
            writer.write_record(record)
    return path
