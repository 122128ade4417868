"""A model that a setting names exists, or one line reports the problem; no model is loaded for this check."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tasks.llm.model_files import ModelMissing, located, require, short_name
from tasks.retrieval.encoder import MINILM, Encoder, require_encoder


class Hub(BaseHTTPRequestHandler):
    """The one question that is asked of the hub: whether a model has a config.json."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        owner = self.path.split("/")[1]
        self.send_response(
            {"there": 200, "sentence-transformers": 200, "private": 401, "busy": 503}.get(owner, 404)
        )
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A hub on this machine, and an empty cache."""
    from huggingface_hub import constants

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.hf_hub_url", lambda name, file: f"{url}/{name}/resolve/main/{file}")
    Hub.asked.clear()
    yield url
    server.shutdown()
    server.server_close()


def test_a_folder_is_a_model_where_it_has_a_config(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"^base: .* has no config.json, so it is no checkpoint. Fix: "):
        require(str(tmp_path), "base")
    (tmp_path / "config.json").write_text("{}")
    require(str(tmp_path), "base")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nosuch", "a/b/c", "no such", ""])
def test_what_can_be_no_name_of_the_hub_is_a_missing_folder(name: str) -> None:
    with pytest.raises(ModelMissing, match=r"^base: there is no folder .*Fix: check the path$"):
        require(name, "base")


def test_the_hub_is_asked_once(address: str) -> None:
    require("there/model", "base")
    assert Hub.asked == ["/there/model/resolve/main/config.json"]


@pytest.mark.parametrize("name", ["nosuch", "no/such", "private/model"])
def test_what_the_hub_does_not_give_is_refused(address: str, name: str) -> None:
    with pytest.raises(
        ModelMissing, match=f"^base: there is no folder {name}, .* has no model .*Fix: "
    ) as error:
        require(name, "base")
    assert "\n" not in str(error.value)


def test_a_hub_that_cannot_answer_is_no_missing_model(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelMissing, match=r"cannot be asked.*Fix: check the name and the network"):
        require("busy/model", "base")
    monkeypatch.setattr("huggingface_hub.hf_hub_url", lambda name, file: f"http://127.0.0.1:9/{name}/{file}")
    with pytest.raises(ModelMissing, match="cannot be asked"):
        require("there/model", "base")


def test_an_encoder_may_be_one_of_sentence_transformers_own(address: str) -> None:
    require_encoder(MINILM)
    assert Hub.asked == []
    require_encoder("all-mpnet-base-v2")
    with pytest.raises(ModelMissing, match="MATHMILL_ENCODER"):
        Encoder("no/such")(["a text"])


def test_a_name_without_a_slash_is_a_model_below_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.settings import load_settings

    for folder in ("models/small", "models/sft-1/checkpoint"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text(folder)
    (tmp_path / "models/sft-1/config.json").write_text("the settings of the training")
    assert located("hf:small", tmp_path) == located("small", tmp_path) == str(tmp_path / "models/small")
    assert located("hf:sft-1", tmp_path) == str(tmp_path / "models/sft-1/checkpoint")
    for other in ("hf:./small", "hf:nosuch", "hf:owner/small", "hf:", "hf:.."):
        assert located(other, tmp_path) == other.removeprefix("hf:")
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path))
    monkeypatch.setenv("MATHMILL_STUDENT__MODEL", "hf:small")
    by_role, by_name = load_settings().endpoint("student"), load_settings().endpoint("hf:small")
    assert (
        by_role.model == by_name.model == "hf:small"
    )  # the name is in the completion key, not this machine's path
    assert by_role.checkpoint == by_name.checkpoint == str(tmp_path / "models/small")
    before = by_role.revision
    assert before == by_name.revision
    (tmp_path / "models/small/config.json").write_text("other")
    assert load_settings().endpoint("student").revision != before


@pytest.mark.parametrize(
    ("model", "short"),
    [
        ("student", "student"),
        ("hf:smollm2", "hf:smollm2"),
        ("hf:HuggingFaceTB/SmolLM2-135M", "hf:HuggingFaceTB/SmolLM2-135M"),
        ("hf:/data/mathmill/models/sft-bdcd032924/checkpoint", "hf:sft-bdcd032924"),
        ("hf:/data/models/mine", "hf:mine"),
        ("./models/mine/", "hf:mine"),
    ],
)
def test_a_run_shows_a_checkpoint_by_the_name_of_its_training(model: str, short: str) -> None:
    assert short_name(model) == short
