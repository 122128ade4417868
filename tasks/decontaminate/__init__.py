"""Decontamination: no row may come from a benchmark."""

from tasks.decontaminate.benchmarks import Benchmarks
from tasks.decontaminate.certificate import Certificate, measure
from tasks.decontaminate.gate import certify, load_pairs
from tasks.decontaminate.planting import Leak
from tasks.decontaminate.run import RULES, clean, decontaminate

__all__ = [
    "RULES",
    "Benchmarks",
    "Certificate",
    "Leak",
    "certify",
    "clean",
    "decontaminate",
    "load_pairs",
    "measure",
]
