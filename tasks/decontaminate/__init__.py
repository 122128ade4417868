"""Decontamination: no row may come from a benchmark."""

from tasks.decontaminate.benchmarks import Benchmarks
from tasks.decontaminate.certificate import Certificate, certify
from tasks.decontaminate.planting import Leak
from tasks.decontaminate.run import decontaminate

__all__ = ["Benchmarks", "Certificate", "Leak", "certify", "decontaminate"]
