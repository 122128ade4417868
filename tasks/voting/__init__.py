"""Combines the votes on a solution into a calibrated probability that it is right.

The voters are the trusted answer, the answers of programs and of worked solutions, the majority of all samples, and a critic.
Votes among samples are self-consistency (Wang et al. 2022, arXiv:2203.11171); weighing voters by their reliability follows
Dawid and Skene (1979).
"""

from tasks.voting.calibration import (
    FEATURES,
    Calibration,
    disputed,
    features,
    fit,
    fit_and_check,
    held_out,
    majority,
    prior,
)
from tasks.voting.reliability import Reliability, reliability
from tasks.voting.sequential import StoppingRule
from tasks.voting.votes import Votes, collect, from_rows, to_verdicts

__all__ = [
    "FEATURES",
    "Calibration",
    "Reliability",
    "StoppingRule",
    "Votes",
    "collect",
    "disputed",
    "features",
    "fit",
    "fit_and_check",
    "from_rows",
    "held_out",
    "majority",
    "prior",
    "reliability",
    "to_verdicts",
]
