"""Makes WARC files for tests."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard
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


def packed(path: Path, warc: Path, dictionary: bytes = b"", *, compressed: bool = True) -> Path:
    """Write a WARC file with one Zstandard frame per record, and with a dictionary at the beginning if there is one."""
    data = warc.read_bytes()
    starts = [match.start() for match in re.finditer(rb"WARC/1\.[01]\r\n", data)]
    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    compressor = zstandard.ZstdCompressor(dict_data=shared)
    frames = [
        compressor.compress(data[start:end])
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True)
    ]
    if dictionary:
        stored = zstandard.compress(dictionary) if compressed else dictionary
        frames.insert(0, b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored)
    path.write_bytes(b"".join(frames))
    return path
