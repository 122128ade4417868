"""Imports what commands need into the process that they are forked off, as the first module that it loads.

A file of its own, since importing it is what it does. None of these modules is ever garbage: looking through them for some
is a quarter of the time of their import, and each forked command would do it again.
"""

from __future__ import annotations

import gc
import importlib

from tests.e2e.forked import PRELOADED

gc.disable()
for name in PRELOADED:
    importlib.import_module(name)
gc.freeze()
gc.enable()
