"""Recipes from the literature: YAML files of training settings, looked up by name."""

from __future__ import annotations

from pathlib import Path

from tasks.training.config import TrainError

HERE = Path(__file__).parent


def path_of(name: str) -> Path:
    """Return the file of a recipe, given by its name or as a path. Raises TrainError, with all names, if there is none."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    file = HERE / f"{name.replace('-', '_')}.yaml"
    if not file.exists():
        known = ", ".join(sorted(one.stem for one in HERE.glob("*.yaml")))
        raise TrainError(f"no recipe {name!r}; there are: {known}; or a .yaml file of your own")
    return file
