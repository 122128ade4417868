"""Uploads to a hub on loopback: continued, refused in one line, never with the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from tasks.hub import Hub, HubError, staged
from tests.e2e.hub import Repository, WritableHub, serving

TOKEN = "hf_QxZk7PlmVbTyRwSd93Nf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(_http.time, "sleep", lambda _: None)  # between the client's tries
    with serving(WritableHub(TOKEN)) as hub:
        yield hub


@pytest.fixture
def version(tmp_path: Path) -> Version:
    rows = [Row("What is 1 + 1?", "en", solution="2", answer="2")]
    return Store(tmp_path / "home").publish("d", [to_table(rows)], lineage={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "data").mkdir(parents=True)
    (tmp_path / "out" / "data" / "train-0.jsonl").write_text('{"id": "a"}\n')
    (tmp_path / "out" / "README.md").write_text("---\nlicense: mit\n---\n")
    return tmp_path / "out"


@pytest.mark.slow
def test_an_upload_that_broke_off_is_continued(hub: WritableHub, version: Version, folder: Path) -> None:
    hub.fail = {"POST /api/datasets/me/sums/commit"}
    one = Hub("me/sums", TOKEN, endpoint=hub.url)
    with pytest.raises(HubError, match="run the same command again, it sends what is missing"):
        one.upload(folder, version)
    assert not hub.repositories["me/sums"].commits
    sent = [asked for asked in hub.requests if asked.startswith("PUT ")]
    assert len(sent) == 1
    # broken between the commit and its tag
    hub.fail = {"POST /api/datasets/me/sums/tag*"}
    with pytest.raises(HubError):
        one.upload(folder, version)
    hub.fail = set()
    pushed = one.upload(folder, version)
    assert [asked for asked in hub.requests if asked.startswith("PUT ")] == sent  # no data is sent twice
    repository = hub.repositories["me/sums"]
    assert len(repository.commits) == 1
    assert repository.private
    assert (pushed.unchanged, pushed.commit, pushed.tag) == (True, repository.head, version.name)
    assert repository.tags == {version.name: repository.head}


def test_a_change_in_between_is_not_overwritten(hub: WritableHub, version: Version, folder: Path) -> None:
    one = Hub("me/sums", TOKEN, endpoint=hub.url)
    one.upload(folder, version)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nnew\n")
    repository = hub.repositories["me/sums"]
    newest = one.check
    one.check = lambda: (newest(), repository.commits.append("of another program"))[0]  # type: ignore[method-assign,func-returns-value]
    with pytest.raises(HubError, match="changed in the meantime: run the same command again"):
        one.upload(folder, version)
    assert repository.commits[-1] == "of another program"


@pytest.mark.parametrize(
    ("repository", "token", "expected"),
    [
        ("me/sums", "hf_WrOnGtOkEn1234567890", "Fix: set MATHMILL_HUB_TOKEN to a valid token"),
        ("sums", TOKEN, "'sums' is no repository of the hub. Fix: name it as OWNER/NAME"),
        ("others/sums", TOKEN, "Fix: use a token that may write to repositories of others"),
    ],
)
def test_what_is_refused_is_one_line_without_the_token(
    hub: WritableHub, version: Version, folder: Path, repository: str, token: str, expected: str
) -> None:
    with pytest.raises(HubError) as error:
        Hub(repository, token, endpoint=hub.url).upload(folder, version)
    assert expected in str(error.value)
    assert token not in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).count("Fix: ") == 1


def test_an_open_repository_is_written_only_if_that_is_meant(
    hub: WritableHub, version: Version, folder: Path
) -> None:
    hub.repositories = {"me/open": Repository(private=False), "me/closed": Repository(private=True)}
    with pytest.raises(HubError, match="everybody could read the rows"):
        Hub("me/open", TOKEN, endpoint=hub.url).upload(folder, version)
    with pytest.raises(HubError, match="is private, and --public was given"):
        Hub("me/closed", TOKEN, endpoint=hub.url, public=True).upload(folder, version)
    assert not any(one.commits for one in hub.repositories.values())
    assert Hub("me/open", TOKEN, endpoint=hub.url, public=True).upload(folder, version).files == 2


def test_a_hub_that_is_not_there_is_one_line(version: Version, folder: Path, hub: WritableHub) -> None:
    with pytest.raises(HubError, match=r"me/sums: .*Fix: check the network, and run the same command again"):
        Hub("me/sums", TOKEN, endpoint="http://127.0.0.1:9").upload(folder, version)


def test_an_export_waits_for_its_upload(tmp_path: Path, version: Version) -> None:
    def interrupted() -> Path:
        with staged(tmp_path, version, "here", {"format": "messages"}) as folder:
            folder.mkdir()
            if folder.is_dir():
                raise HubError("down")
        return folder

    with pytest.raises(HubError):
        interrupted()
    (folder,) = (tmp_path / "pushes").iterdir()
    with staged(tmp_path, version, "here", {"format": "parquet"}) as other:
        assert other != folder
        other.mkdir()
    with staged(tmp_path, version, "here", {"format": "messages"}) as again:
        assert again == folder
        assert again.is_dir()
    assert not any((tmp_path / "pushes").iterdir())
