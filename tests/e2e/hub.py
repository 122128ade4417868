"""A small Hugging Face hub on loopback: the addresses that `huggingface_hub` and `datasets` ask for when a data set is streamed."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
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
        self, method: str, path: str, body: bytes, *, recursive: bool = False, token: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body. token: of the request, which reading needs not."""
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


@dataclass(slots=True)
class Repository:
    """A data set repository that can be written to. commits: their messages, the oldest first."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return hashlib.sha1("\n".join(["", *self.commits]).encode()).hexdigest()


@dataclass(slots=True)
class WritableHub:
    """The addresses that `huggingface_hub` asks for when it makes a repository and commits to it, with LFS for all but small texts.

    token: the one that may write; the error for another one echoes it, as a careless gateway does. fail: method and start of the path of a request
    that is answered with 500 and removed from the set (or stays, with `*` at its end).
    """

    token: str
    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    fail: set[str] = field(default_factory=set)

    def answer(
        self, method: str, path: str, body: bytes, *, recursive: bool = False, token: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        asked = f"{method} {path}"
        self.requests.append(asked)
        for one in sorted(self.fail):
            if asked.startswith(one.rstrip("*")):
                if not one.endswith("*"):
                    self.fail.discard(one)
                return 500, {}, b'{"error": "broken"}'
        if method == "PUT":
            self.objects[path.removeprefix("/upload/")] = body
            return _json({})
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if token != self.token:
            words = {"error": f"Invalid credentials: {token}"}
            return 401, {"X-Error-Message": f"Invalid credentials: {token}"}, json.dumps(words).encode()
        if path == "/api/repos/create":
            asked_for = json.loads(body)
            name = f"{asked_for['organization']}/{asked_for['name']}"
            if name.startswith("others/"):
                return 403, {}, b'{"error": "You may not create repositories of others"}'
            self.repositories.setdefault(name, Repository(asked_for["visibility"] == "private"))
            return _json({"url": f"{self.url}/datasets/{name}"})
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        name = "/".join(path.removeprefix("/api/datasets/").split("/")[:2])
        if name not in self.repositories:
            return 404, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}'
        return self._of_repository(
            name, self.repositories[name], path.removeprefix(f"/api/datasets/{name}").strip("/"), body
        )

    def _of_repository(
        self, name: str, one: Repository, rest: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        what = rest.partition("/")[0]
        if what in ("", "revision"):
            reader = Hub(name, one.files)
            status, headers, data = reader.answer("GET", f"/api/datasets/{name}", b"")
            return (
                status,
                headers,
                json.dumps(json.loads(data) | {"sha": one.head, "private": one.private}).encode(),
            )
        if what == "tree":
            return Hub(name, one.files).answer("GET", f"/api/datasets/{name}/{rest}", b"", recursive=True)
        if what == "refs":
            tags = [
                {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": at} for tag, at in one.tags.items()
            ]
            return _json({"branches": [], "converts": [], "tags": tags})
        if what == "tag":
            one.tags[json.loads(body)["tag"]] = unquote(rest.partition("/")[2])
            return _json({})
        if what == "preupload":
            return _json(
                {
                    "files": [
                        {"path": file["path"], "shouldIgnore": False, **self._mode(one, file)}
                        for file in json.loads(body)["files"]
                    ]
                }
            )
        if what == "commit":
            return self._commit(name, one, body)
        return 404, {"X-Error-Code": "EntryNotFound"}, b'{"error": "not found"}'

    def _mode(self, one: Repository, file: Mapping[str, object]) -> dict[str, object]:
        path = str(file["path"])
        large = path.startswith("data/")
        there = one.files.get(path)
        if there is None:
            oid = None
        elif large:
            oid = hashlib.sha256(there).hexdigest()
        else:
            oid = hashlib.sha1(b"blob %d\0" % len(there) + there).hexdigest()
        return {"uploadMode": "lfs" if large else "regular", "oid": oid}

    def _batch(self, asked: Mapping[str, list[dict[str, object]]]) -> tuple[int, dict[str, str], bytes]:
        objects = []
        for one in asked["objects"]:
            known = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.objects:
                known["actions"] = {"upload": {"href": f"{self.url}/upload/{one['oid']}", "header": {}}}
            objects.append(known)
        return _json({"transfer": "basic", "objects": objects})

    def _commit(self, name: str, one: Repository, body: bytes) -> tuple[int, dict[str, str], bytes]:
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, one.head):
            return 412, {}, b'{"error": "A commit has happened since"}'
        files = dict(one.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            else:
                del files[value["path"]]
        one.files = files
        one.commits.append(header["summary"])
        return _json({"commitUrl": f"{self.url}/datasets/{name}/commit/{one.head}", "commitOid": one.head})


AnyHub = TypeVar("AnyHub", Hub, WritableHub)


@contextmanager
def serving(hub: AnyHub) -> Iterator[AnyHub]:
    """Serve a hub until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked_for = urlsplit(self.path)
            recursive = "recursive=true" in asked_for.query.lower()
            status, headers, data = hub.answer(
                self.command,
                unquote(asked_for.path),
                body,
                recursive=recursive,
                token=str(self.headers.get("Authorization") or "").removeprefix("Bearer "),
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

        do_GET = do_HEAD = do_POST = do_PUT = _any

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
