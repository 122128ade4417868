"""Decontamination: no row may come from a benchmark."""

from tasks.decontaminate.benchmarks import Benchmarks
from tasks.decontaminate.run import decontaminate

__all__ = ["Benchmarks", "decontaminate"]
