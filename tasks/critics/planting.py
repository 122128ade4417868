"""Plants errors of known kind and place into right solutions, as further training data of critics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.critics.error_injection import KINDS, inject
from tasks.critics.labelled import PLANTED, LabelledSolution
from tasks.seeding import rng_of, seed_of

_ANNOTATED = (
    "<<"  # a calculator's annotation, which the injector leaves out: its absence would give the error away
)


def planted(solutions: Sequence[LabelledSolution], share: float, seed: int) -> list[LabelledSolution]:
    """Return wrong solutions made from about `share` of the right ones, one each, in their order.

    They have the group of their question, so that a split keeps them together. Which solutions get an error, of which kind and where
    follows from hashes of the seed and their ids. A solution in which no kind finds a place gives none.
    """
    wrong_ones = []
    for one in solutions:
        if not one.correct or seed_of(seed, "planted", one.id) / 2**63 >= share or _ANNOTATED in one.text:
            continue
        kinds = list(KINDS)
        rng_of(seed, "planted kinds", one.id).shuffle(kinds)
        for kind in kinds:
            changed = inject(
                one.text,
                kind=kind,
                seed=seed_of(seed, one.id) % 2**31,
                question=one.question,
                language=one.language,
            )
            if changed is not None:
                wrong_ones.append(
                    replace(
                        one,
                        steps=changed.steps,
                        correct=False,
                        first_error=changed.place,
                        kind=kind,
                        by=PLANTED,
                        strong=None,
                    )
                )
                break
    return wrong_ones
