"""Upload of an export to a data set repository of the Hugging Face hub, through `huggingface_hub`.

One commit holds all files, so that readers see the whole export or none of it. Contents are addressed by their hash: what an interrupted upload
has brought to the hub is not sent again, and an upload of what is there already makes no commit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from logging import ERROR
from pathlib import Path
from typing import Any

from storage.datasets.versions import Version
from storage.errors import StorageError, in_one_line
from tasks.llm.redaction import Redactor

KIND = "dataset"
FOLDER = "pushes"  # in the home: exports that have not been uploaded yet
_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_LATER = "run the same command again, it sends what is missing"


class HubError(StorageError):
    """The hub refuses an upload or cannot be reached. The token is not in the message."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What an upload has led to. address: of the repository. unchanged: everything was there already."""

    address: str
    commit: str
    tag: str
    files: int
    unchanged: bool


class Hub:
    """One data set repository. endpoint: the address of the hub; None: that of huggingface_hub (HF_ENDPOINT).

    Raises HubError if its name is none, or there is no token.
    """

    def __init__(
        self, repository: str, token: str = "", *, public: bool = False, endpoint: str | None = None
    ) -> None:
        if not _NAME.fullmatch(repository):
            raise HubError(f"{repository!r} is no repository of the hub. Fix: name it as OWNER/NAME")
        import huggingface_hub
        from huggingface_hub.utils import logging
        from huggingface_hub.utils.tqdm import disable_progress_bars

        token = token or huggingface_hub.get_token() or ""
        if not token:
            raise HubError(
                "no token of the Hugging Face hub is set. Fix: set MATHMILL_HUB_TOKEN to one that may write (or HF_TOKEN)"
            )
        disable_progress_bars()
        logging.set_verbosity(ERROR)
        self._repository, self._public = repository, public
        self._api = huggingface_hub.HfApi(endpoint=endpoint, token=token)
        self._redactor = Redactor([token])

    @property
    def address(self) -> str:
        """Return the URL of the repository."""
        return f"{self._api.endpoint}/datasets/{self._repository}"

    def check(self) -> str | None:
        """Return the newest commit of the repository, or None if there is no repository yet.

        Raises HubError if the token is not accepted, or if the repository is public and the upload is not, or the other way round.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._explained():
            try:
                info = self._api.dataset_info(self._repository, timeout=30)
            except RepositoryNotFoundError as error:
                if error.response is not None and error.response.status_code == 401:
                    raise
                return None
        if info.private == self._public:
            raise HubError(
                f"{self._repository} is private, and --public was given. Fix: leave it out, or make the repository public on the hub"
                if info.private
                else f"{self._repository} is public, so that everybody could read the rows. Fix: --public, or another repository"
            )
        return str(info.sha)

    def upload(self, folder: Path, version: Version) -> Pushed:
        """Make the repository where it is missing, and commit the files of a folder. Files of an earlier upload that lie in the same folders
        are removed, others stay. The tag with the version's name is never moved: a later commit of the version gets one with its hash."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with self._explained():
            if self.check() is None:
                self._api.create_repo(
                    self._repository, repo_type=KIND, private=not self._public, exist_ok=True
                )
            head = self.check()  # another program may have made it in between
            paths = {
                path.relative_to(folder).as_posix(): path
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
            folders = {name.partition("/")[0] for name in paths if "/" in name} | {"data"}
            there = self._api.list_repo_files(self._repository, repo_type=KIND)
            gone = [name for name in there if name.partition("/")[0] in folders and name not in paths]
            commit = self._api.create_commit(
                self._repository,
                [
                    *(CommitOperationDelete(name) for name in gone),
                    *(CommitOperationAdd(name, path) for name, path in paths.items()),
                ],
                commit_message=f"{version}, content digest {version.digest[:12]}",
                repo_type=KIND,
                parent_commit=head,
            )
            tag = self._tag(version.name, commit.oid)
        return Pushed(self.address, commit.oid, tag, len(paths), commit.oid == head)

    def _tag(self, name: str, commit: str) -> str:
        """Give the commit a tag, unless it has it, and return the tag."""
        refs = self._api.list_repo_refs(self._repository, repo_type=KIND)
        tags = {tag.name: tag.target_commit for tag in refs.tags}
        for tag in (name, f"{name}-{commit[:12]}"):
            if tag not in tags:
                self._api.create_tag(self._repository, tag=tag, revision=commit, repo_type=KIND)
                return tag
            if tags[tag] == commit:
                break
        return tag

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise HubError for what the client, its HTTP library or the hub lead to."""
        try:
            yield
        except HubError:
            raise
        except Exception as error:  # what the client, its HTTP library or the hub lead to
            raise HubError(
                f"{self._repository}: {self._redactor.text(_reason(error))}. Fix: {_fix(error, self._repository)}"
            ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__  # the client names the file, and its cause what went wrong
    text = in_one_line(error, 10_000)
    # the client puts an address for people and an id of the request around the hub's own words
    text = re.sub(r"\s*\(Request ID: [^)]*\)", "", text)
    return (text[:300].rstrip(". ")) or type(error).__name__


def _fix(error: BaseException, repository: str) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    owner = repository.partition("/")[0]
    if status == 401:
        return "set MATHMILL_HUB_TOKEN to a valid token"
    if status == 403:
        return f"use a token that may write to repositories of {owner}"
    if status == 404:
        return f"check the name, and that the token may read and write repositories of {owner}"
    if status in (409, 412):
        return "the repository was changed in the meantime: run the same command again"
    if status is not None and 400 <= status < 500 and status != 429:
        return "correct what the hub names, and run the same command again"
    return f"check the network, and {_LATER}"


@contextlib.contextmanager
def staged(home: Path, version: Version, address: str, options: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folder of an export of the version that waits for its upload. It stays until the block ends without an error, so that a
    later upload with the same options need not write it again."""
    asked = json.dumps([str(version), version.digest, address, options], sort_keys=True, default=str)
    folder = home / FOLDER / f"{version}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)
