"""WARC files: which records are pages, damage, hostile headers, memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from tasks.documents.web.page import MAX_PAGE, Page
from tasks.documents.web.page_files import pages
from tasks.documents.web.warc import MAX_DICTIONARY
from tasks.ingestion.record import IngestError
from tests.tasks.documents.web.warcs import packed, written


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_the_pages_of_a_file_are_read_and_what_is_none_says_why(tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path / name,
        [
            ("https://www.a.org/1", "text/html; charset=ISO-8859-1", b"<p>caf\xe9</p>"),
            ("https://a.org/2.png", "image/png", b"\x89PNG"),
            ("https://a.org/3", "text/html", b"  "),
            ("https://a.org/4", "text/html", b"x" * (MAX_PAGE + 1)),
            ("https://a.org/5", "application/xhtml+xml", b"<p>last</p>"),
        ],
    )
    every = list(pages(path))
    assert every[0] == Page("record 3", "https://www.a.org/1", b"<p>caf\xe9</p>", encoding="iso-8859-1")
    assert every[0].host == "a.org"
    assert [page.unfit for page in every] == [None, "content of type image/png", "empty", "over 8 MiB", None]
    assert every[4].body == b"<p>last</p>"


PAGES = [
    (f"https://a.org/{n}", "text/html", f"<p>The sum of {n} and {n * n} is {n + n * n}.</p>".encode() * 20)
    for n in range(60)
]


@pytest.mark.parametrize("how", ["no dictionary", "plain dictionary", "compressed dictionary"])
def test_frames_of_zstandard_are_read_with_the_dictionary_of_the_file(tmp_path: Path, how: str) -> None:
    plain = written(tmp_path / "a.warc", PAGES)
    samples = [body + url.encode() * 40 for url, _, body in PAGES] * 10
    dictionary = b"" if how == "no dictionary" else zstandard.train_dictionary(8_192, samples).as_bytes()
    path = packed(tmp_path / "a.warc.zst", plain, dictionary, compressed=how.startswith("compressed"))
    assert list(pages(path)) == list(pages(plain))
    assert len(list(pages(path))) == 60


def test_a_damaged_or_hostile_zstandard_file_is_an_error(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.warc.zst", written(tmp_path / "a.warc", PAGES))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(IngestError, match=r"after record \d+: damaged Zstandard .*Fix: "):
        list(pages(path))
    path.write_bytes(whole[:-200] + bytes(100) + whole[-100:])
    with pytest.raises(IngestError, match=r"damaged Zstandard .*Fix: "):
        list(pages(path))
    head = b"\x5d\x2a\x4d\x18"
    bomb = zstandard.compress(bytes(MAX_DICTIONARY + 1))
    for start, why in (
        (head + (MAX_DICTIONARY + 1).to_bytes(4, "little"), "a dictionary of 16 MiB"),
        (head + (100).to_bytes(4, "little") + b"short", "ends within its dictionary"),
        (head + len(bomb).to_bytes(4, "little") + bomb, "unpacks to more than 16 MiB"),
    ):
        path.write_bytes(start)
        with pytest.raises(IngestError, match=why):
            list(pages(path))


def test_a_frame_that_unpacks_to_gigabytes_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    size = 300 << 20
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.org\r\nContent-Type: application/http\r\nContent-Length: {size}\r\n\r\n"
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    path = tmp_path / "a.warc.zst"
    compressor = zstandard.ZstdCompressor(level=1)
    with path.open("wb") as file, compressor.stream_writer(file) as writer:
        writer.write(head.encode() + http)
        for _ in range(size >> 20):
            writer.write(bytes(1 << 20))
        writer.write(b"\r\n\r\n")
    tracemalloc.start()
    try:
        assert [page.unfit for page in pages(path)] == ["over 8 MiB"]
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_a_file_that_ends_within_a_record_is_an_error(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, PAGES[:3])
    data = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    cut = data[: data.rindex(b"</p>") - 10]
    path.write_bytes(gzip.compress(cut) if name.endswith("gz") else cut)
    stream = pages(path)
    assert [next(stream).url for _ in range(2)] == ["https://a.org/0", "https://a.org/1"]
    with pytest.raises(IngestError, match="the file ends within the record"):
        next(stream)


def test_text_of_a_conversion_is_plain(tmp_path: Path) -> None:
    (page,) = pages(written(tmp_path / "a.warc", [("https://a.org", "text/plain", b"x = 1")], "conversion"))
    assert page.plain
    assert page.body == b"x = 1"


def test_compressed_and_chunked_bodies_are_decoded(tmp_path: Path) -> None:
    body = gzip.compress(b"<p>x</p>")
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    block = http + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.org\r\nContent-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
    path = tmp_path / "a.warc"
    path.write_bytes(head.encode() + block + b"\r\n\r\n")
    assert [page.body for page in pages(path)] == [b"<p>x</p>"]


def test_a_status_other_than_200_is_no_page(tmp_path: Path) -> None:
    block = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<p>gone</p>"
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
    (tmp_path / "a.warc").write_bytes(head.encode() + block + b"\r\n\r\n")
    assert [page.unfit for page in pages(tmp_path / "a.warc")] == ["status 404"]


def test_a_cut_file_is_an_error_after_its_pages(tmp_path: Path) -> None:
    body = bytes(range(256)) * 400
    path = written(tmp_path / "a.warc.gz", [(f"https://a.org/{n}", "text/html", body) for n in range(3)])
    path.write_bytes(path.read_bytes()[:-200])
    stream = pages(path)
    assert next(stream).url == "https://a.org/0"
    with pytest.raises(IngestError, match=r"a\.warc\.gz: after record \d+: .*Fix: "):
        list(stream)


@pytest.mark.parametrize("content", [b"no WARC at all\n" * 10, b"\x00" * 1000])
def test_another_file_of_that_name_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.warc").write_bytes(content)
    with pytest.raises(IngestError, match="Fix: "):
        list(pages(tmp_path / "a.warc"))


@pytest.mark.parametrize("line", [b"a" * (1 << 20), b"a: b\r\n"], ids=["long line", "many lines"])
def test_headers_without_end_are_refused_in_bounded_memory(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.warc.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b"WARC/1.0\r\nWARC-Type: response\r\n")
        for _ in range(64 if len(line) > 100 else 200_000):
            file.write(line)
    tracemalloc.start()
    with pytest.raises(IngestError, match="a header without end"):
        list(pages(path))
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.slow
def test_a_body_that_unpacks_to_much_more_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(256 << 20), 9)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n"
    warc = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(head) + len(bomb)}\r\n\r\n"
    path = tmp_path / "a.warc"
    path.write_bytes(warc.encode() + head + bomb + b"\r\n\r\n")
    del bomb
    tracemalloc.start()
    assert [page.unfit for page in pages(path)] == ["over 8 MiB"]
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_a_record_without_an_address_or_headers_loses_no_other(tmp_path: Path) -> None:
    path = written(tmp_path / "a.warc", [("https://a.org/1", "text/html", b"<p>x</p>")])
    for block in (
        b"",
        b"no headers",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
        with path.open("ab") as file:
            file.write(head.encode() + block + b"\r\n\r\n")
    with path.open("ab") as file:
        file.write(written(tmp_path / "b.warc", [("https://a.org/2", "text/html", b"<p>y</p>")]).read_bytes())
    every = list(pages(path))
    assert [page.body for page in every if page.unfit is None][::2] == [b"<p>x</p>", b"<p>y</p>"]
    assert [page.unfit for page in every[1:3]] == ["no response of HTTP"] * 2


def test_a_large_file_is_read_in_memory_that_does_not_grow_with_it(tmp_path: Path) -> None:
    body, picture = b"<p>" + b"x" * 20_000, bytes(2 << 20)
    responses = (
        (f"https://a.org/{n}", "text/html", body) if n % 2 else (f"https://a.org/{n}", "image/png", picture)
        for n in range(60)
    )
    path = written(tmp_path / "a.warc", responses)
    assert path.stat().st_size > 60 << 20
    tracemalloc.start()
    assert sum(page.unfit is None for page in pages(path)) == 30
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
