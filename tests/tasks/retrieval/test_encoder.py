"""The encoder against sentence-transformers itself, on texts of every length."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from tasks.retrieval.encoder import Encoder, EncoderError, has_bf16_units, token_batches

TEXTS = [
    "What is 2 + 2?",
    "",
    "A train leaves at noon. " * 4,
    "果园里有 15 行苹果树，每行 16 棵。一共有多少棵？",
    "Find the area of a circle of radius 3.",
    "word " * 400,
    "What is 2 + 2?",
    r"Solve $\frac{x}{2} = 7$ for $x$.",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(bf16=False)


@pytest.mark.slow
def test_same_vectors_as_sentence_transformers(encoder: Encoder) -> None:
    vectors = encoder(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), encoder.dimensions) == (8, 384)
    peer = encoder._model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(vectors, peer, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_order_and_batching_do_not_matter(encoder: Encoder) -> None:
    vectors = encoder(TEXTS)
    np.testing.assert_allclose(encoder(TEXTS[::-1])[::-1], vectors, atol=1e-5)
    alone = [encoder([text])[0] for text in TEXTS[:4]]
    np.testing.assert_allclose(alone, vectors[:4], atol=1e-5)


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder([]).shape == (0, 384)


def test_similar_texts_have_near_vectors(encoder: Encoder) -> None:
    a, b, c = encoder(
        [
            "How many apples are in 3 bags of 4?",
            "3 bags hold 4 apples each; how many apples?",
            "Differentiate sin x.",
        ]
    )
    assert a @ b > 0.7 > 0.3 > a @ c


@pytest.mark.slow
def test_bfloat16_stays_close(encoder: Encoder) -> None:
    coarse = Encoder(bf16=True)
    assert coarse.identity == "minilm/bf16"
    assert encoder.identity == "minilm/fp32"
    cosines = (coarse(TEXTS[:5]) * encoder(TEXTS[:5])).sum(axis=1)
    assert cosines.min() > 0.999


def test_threads_share_one_encoder(encoder: Encoder) -> None:
    expected, by_thread = encoder(TEXTS[:5]), {}

    def work(i: int) -> None:
        by_thread[i] = encoder(TEXTS[:5])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(by_thread) == 3
    assert all(np.array_equal(vectors, expected) for vectors in by_thread.values())


def test_a_missing_encoder_is_named_with_the_fix(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(EncoderError, match=r"encoder '.*model' cannot be loaded .* use 'minilm'"):
        Encoder(str(folder))(["x"])


def test_an_older_model_with_its_weights_in_a_pickle(tmp_path: Path) -> None:
    """MathBERT is stored so: a plain BERT, no sentence-transformers configuration, no safetensors."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "solve", "for", "x", "what", "is"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    torch.save(BertModel(config).state_dict(), tmp_path / "pytorch_model.bin")
    vectors = Encoder(str(tmp_path), bf16=False)(["solve for x", "what is x"])
    assert vectors.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_weights_that_would_run_code_do_not(tmp_path: Path) -> None:
    import torch

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'harmed'}",)

    test_an_older_model_with_its_weights_in_a_pickle(tmp_path)
    torch.save({"embeddings.word_embeddings.weight": Harm()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        Encoder(str(tmp_path))(["x"])
    assert not (tmp_path / "harmed").exists()


def test_batches_hold_every_row_once_within_the_tokens() -> None:
    lengths = np.random.default_rng(0).integers(1, 300, 1000)
    batches = list(token_batches(lengths, 2000))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert all(len(rows) * lengths[rows].max() <= 2000 or len(rows) == 1 for rows in batches)
    padded = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    assert padded < 1.05 * lengths.sum()
    assert [rows.tolist() for rows in token_batches(np.array([5000, 3]), 2000)] == [[0], [1]]


def test_bf16_units_are_read_from_the_flags(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name : x\nflags\t\t: fpu avx512f amx_tile amx_bf16\n")
    assert has_bf16_units(cpuinfo)
    cpuinfo.write_text("model name : amx_bf16\nflags\t\t: fpu avx512f amx_bf16x\n")
    assert not has_bf16_units(cpuinfo)
    assert not has_bf16_units(tmp_path / "none")
