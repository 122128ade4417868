"""Finds the folder of a checkpoint that a setting names, and checks, before anything is started, that the model exists: as a
folder, in the cache of huggingface_hub, or by one request to the hub. Models are loaded without a progress bar."""

from __future__ import annotations

import contextlib
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.errors import ForPeople

CHECKPOINT = "hf:"  # prefix of a Hugging Face checkpoint that answers in this process
CONFIG = "config.json"  # every checkpoint and every encoder has it
MODELS = "models"  # folder of the home with the models that were set up or trained there
SMALL_MODEL = "smollm2"  # name of the model that `mathmill setup smollm` creates there
WITHIN_S = 10.0  # timeout of the request to the hub
_NAME = re.compile(r"^[0-9A-Za-z][0-9A-Za-z._-]*(/[0-9A-Za-z][0-9A-Za-z._-]*)?$")


class ModelMissing(ForPeople, ValueError):
    """A model that is neither a folder nor on the hub; the message names the setting and the fix."""


@contextlib.contextmanager
def no_progress_bar() -> Iterator[None]:
    """Keep transformers from drawing a progress bar for loaded weights into the output of a flow."""
    from transformers.utils import logging

    bars: Any = logging  # its switches are not annotated
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def located(name: str, home: Path) -> str:
    """Return the folder, or the name on the hub, of the checkpoint `name`, which may begin with `hf:`.

    A name without a slash is that of a model below the home, if there is one: the folder `models/NAME`, or the checkpoint of
    the training `models/NAME`.
    """
    plain = name.removeprefix(CHECKPOINT)
    if "/" not in plain and plain not in ("", ".", ".."):
        below = home.absolute() / MODELS / plain
        # the folder of a training has a config.json too, of the training
        for folder in (below / "checkpoint", below):
            if (folder / CONFIG).is_file():
                return str(folder)
    return plain


def short_name(model: str) -> str:
    """Return a model as the name of a run shows it: of the folder of a checkpoint the name of its training, anything else as it is."""
    plain = model.removeprefix(CHECKPOINT)
    if not plain.startswith(("/", "./", "../", "~")):
        return model
    folder = Path(plain)
    return CHECKPOINT + (folder.parent.name if folder.name == "checkpoint" else folder.name)


def require(name: str, setting: str, *, others: tuple[str, ...] = (), file: str = CONFIG) -> None:
    """Raise ModelMissing, with a message of one line, unless `name` is the folder of a model or a model on the hub.

    `setting` is the setting that names the model, such as `base`; `others` are further names of it on the hub; `file` is
    the file by which the folder of a model is recognised.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / file).is_file():
            raise ModelMissing(
                f"{setting}: {name} has no {file}, so it is no checkpoint. Fix: name the folder that holds it"
            )
        return
    if not _NAME.match(name):
        raise ModelMissing(f"{setting}: there is no folder {name}. Fix: check the path")
    known = [_known(each) for each in (name, *others)]
    if True in known:
        return
    if None in known:
        raise ModelMissing(
            f"{setting}: there is no folder {name}, and the Hugging Face hub cannot be asked for a model of that name. "
            "Fix: check the name and the network, or give the folder of a downloaded model"
        )
    raise ModelMissing(
        f"{setting}: there is no folder {name}, and the Hugging Face hub has no model of that name that you may read. "
        "Fix: check the name, or log in with `hf auth login` if it is private"
    )


def _known(name: str) -> bool | None:
    """Return whether the cache or the hub has the model, or None if the hub cannot be reached."""
    from huggingface_hub import constants, get_token, hf_hub_url, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, CONFIG), str | os.PathLike):
        return True
    if constants.HF_HUB_OFFLINE:
        return None
    request = urllib.request.Request(hf_hub_url(name, CONFIG), method="HEAD")
    if token := get_token():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=WITHIN_S):
            return True
    except urllib.error.HTTPError as error:
        return False if error.code in (401, 403, 404) else None
    except OSError:
        return None
