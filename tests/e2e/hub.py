"""A small Hugging Face hub on loopback: the addresses that `huggingface_hub` and `datasets` ask for when a data set is streamed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True)
class Hub:
    """One data set. files: path -> content. requests: method and path of each request. broken: paths that are answered with 500."""

    repository: str
    files: Mapping[str, bytes]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def answer(
        self, method: str, path: str, body: bytes, *, recursive: bool = False
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        self.requests.append(f"{method} {path}")
        api, resolved = f"/api/datasets/{self.repository}", f"/datasets/{self.repository}/resolve/"
        if path.startswith(resolved):
            name = path.removeprefix(resolved).partition("/")[2]
            return self._file(name)
        rest = path.removeprefix(api)
        if path != api and not path.startswith(f"{api}/"):
            return 404, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}'
        if rest.startswith("/tree/"):
            return _json(self._tree(rest, recursive))
        if rest.startswith("/paths-info/"):
            asked = _asked(body)
            entries = [self._entry(name) for name in self.files if name in asked]
            folders = {name.rpartition("/")[0] for name in self.files} - {""}
            entries += [_folder(one) for one in asked if one in folders]
            return _json(entries)
        if rest in ("", "/revision/main", f"/revision/{COMMIT}"):
            return _json({
                "_id": "1", "id": self.repository, "sha": COMMIT, "private": False, "gated": False, "disabled": False,
                "tags": [], "downloads": 0, "likes": 0, "siblings": [{"rfilename": name} for name in self.files],
            })  # fmt: skip
        return 404, {"X-Error-Code": "EntryNotFound"}, b'{"error": "not found"}'

    def _tree(self, rest: str, recursive: bool) -> list[dict[str, object]]:
        folder = rest.removeprefix("/tree/").partition("/")[2]
        start = f"{folder}/" if folder else ""
        inside = [name for name in self.files if name.startswith(start)]
        folders = {start + name.removeprefix(start).partition("/")[0] for name in inside} - set(inside)
        files = [name for name in inside if recursive or "/" not in name.removeprefix(start)]
        return [_folder(name) for name in sorted(folders)] + [self._entry(name) for name in files]

    def _entry(self, name: str) -> dict[str, object]:
        return {
            "type": "file",
            "path": name,
            "size": len(self.files[name]),
            "oid": hashlib.sha1(self.files[name]).hexdigest(),
        }

    def _file(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if name in self.broken:
            return 500, {}, b"broken"
        if name not in self.files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"{}"
        return 200, {"X-Repo-Commit": COMMIT, "ETag": '"1"', "Accept-Ranges": "bytes"}, self.files[name]


def _folder(path: str) -> dict[str, object]:
    return {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}


def _json(value: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _asked(body: bytes) -> list[str]:
    """Return the paths that a request asks for, as JSON or as a form."""
    try:
        paths: list[str] = json.loads(body)["paths"]
    except ValueError:
        return [
            unquote(part.partition("=")[2]) for part in body.decode().split("&") if part.startswith("paths=")
        ]
    return paths


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked_for = urlsplit(self.path)
            recursive = "recursive=true" in asked_for.query.lower()
            status, headers, data = hub.answer(
                self.command, unquote(asked_for.path), body, recursive=recursive
            )
            asked = self.headers.get("Range", "")
            if status == 200 and asked.startswith("bytes="):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start, stop = int(first), min(int(last) + 1 if last else len(data), len(data))
                headers = headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
                status, data = 206, data[start:stop]
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = _any

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
