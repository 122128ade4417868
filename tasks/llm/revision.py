"""Which weights stand behind the name of a checkpoint in process: a part of every key in the ledger."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from tasks.llm.endpoint import CHECKPOINT

# files that decide what a checkpoint says
_DECIDING = ("config", "generation_config", "tokenizer", "special_tokens", "added_tokens", "vocab", "merges", "chat_template")  # fmt: skip


def revision_of(model: str) -> str:
    """What tells the weights behind `hf:FOLDER` apart when the folder is written anew: a digest of its files; empty for
    every other model."""
    folder = Path(model.removeprefix(CHECKPOINT))
    if not model.startswith(CHECKPOINT) or not folder.is_dir():
        return ""
    files = [path for path in sorted(folder.iterdir()) if path.name.startswith(_DECIDING) or path.suffix == ".safetensors"]  # fmt: skip
    return _digest(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@functools.lru_cache(maxsize=64)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            digest.update(Path(name).name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
