"""Recipes from the literature, each a YAML of training settings: found by name."""

from __future__ import annotations

from pathlib import Path

from tasks.training.config import TrainError

HERE = Path(__file__).parent


def path_of(name: str) -> Path:
    """The file of a recipe's name, or of a path; TrainError lists the names there are."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    found = HERE / f"{name}.yaml"
    if not found.exists():
        there = ", ".join(sorted(one.stem for one in HERE.glob("*.yaml")))
        raise TrainError(f"no recipe {name!r}; there are: {there}; or a .yaml file of your own")
    return found
