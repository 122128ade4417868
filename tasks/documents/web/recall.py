"""Recall of mathematics: a classifier of pages, trained on positives that the user gives and on negatives drawn from the pages.

Hashed n-grams of words and of LaTeX commands with a logistic regression (scikit-learn: HashingVectorizer, SGDClassifier). The threshold is the
one at which a stated share of the positives that were held out is recalled. The negatives are pages without a label, of which some are
mathematics: the precision on the held-out part is therefore a lower bound, and in further rounds the pages that the round
before recalled, and those of hosts where it recalled many, are no negatives any more (after DeepSeekMath, arXiv:2402.03300).

Training takes one thread and is deterministic: the split and the draw follow from hashes of the texts, not from their order.
What is stored is an array and JSON, never a pickle. Recalled pages do not become positives.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import Field

from storage.errors import ForPeople
from tasks.seeding import seed_of, seeds_of
from tasks.settings import Section

MAX_CHARACTERS: Final = 5_000  # of a text that the classifier reads
LEAST: Final = 20  # positives, and negatives, with which a classifier is trained
_FEATURES: Final = 1 << 18
_PASSES: Final = 10
_HELD_OUT: Final = 5  # one text of so many is held out
_HOST_SHARE: Final = 0.1  # of a host's pages, from which on none of them is a negative
_TOKEN: Final = r"[\u3400-\u9fff]|\\?[a-z]{2,}|[=<>+^_]|\d"
_DIGITS: Final = re.compile(r"\d+")

Scores = npt.NDArray[np.float64]


class RecallSettings(Section, title="Recall of mathematics"):
    positives: list[str] = Field(
        [],
        description="versions DATASET@VERSION, or files, whose texts are mathematics; empty: every page is kept",
    )
    recall: float = Field(
        0.95,
        gt=0,
        le=1,
        description="share of the positives that are held out which the threshold must let through",
    )
    negatives: int = Field(
        20_000,
        ge=LEAST,
        le=1_000_000,
        description="pages that are drawn as negatives, at most; memory holds 5 kB of each",
    )
    rounds: int = Field(
        3,
        ge=1,
        le=10,
        description="trainings; in each the pages that the last one recalled are no negatives any more",
    )


class TooFewTexts(ForPeople, ValueError):
    """There are not enough positives or negatives to train a classifier."""


@dataclass(frozen=True, slots=True)
class RecallReport:
    """How a classifier does on the texts that were held out from its training.

    recall: share of the held-out positives at or above the threshold. precision: share of positives among the held-out texts at or above it,
    weighted so that both kinds count the same; a lower bound, because negatives have no label. rounds: negatives of each round.
    """

    positives: int
    held_out_positives: int
    held_out_negatives: int
    recall: float
    precision: float
    threshold: float
    rounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Classifier:
    """A trained classifier: weights float32 (2**18,), bias, and the score from which on a text is recalled."""

    weights: npt.NDArray[np.float32]
    bias: float
    threshold: float

    def scores(self, texts: Sequence[str]) -> Scores:
        """Return the probability, by the classifier, of each text being like the positives: float64 (texts,)."""
        if not texts:
            return np.zeros(0)
        margins = _vectors(texts) @ self.weights.astype(np.float64) + self.bias
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(margins, -50.0, 50.0))))

    @property
    def digest(self) -> str:
        """The SHA-256 of the weights, the bias and the threshold."""
        numbers = np.array([self.bias, self.threshold])
        return hashlib.sha256(self.weights.tobytes() + numbers.tobytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the classifier as the bytes of an .npz file: the weights that are not 0, and JSON."""
        places = np.flatnonzero(self.weights).astype(np.uint32)
        about = orjson.dumps({"features": _FEATURES, "bias": self.bias, "threshold": self.threshold})
        out = io.BytesIO()
        np.savez_compressed(
            out, places=places, weights=self.weights[places], about=np.frombuffer(about, np.uint8)
        )
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Classifier:
        """Return the classifier that `to_bytes` wrote. Raises ValueError or KeyError for other bytes."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about = orjson.loads(arrays["about"].tobytes())
            weights = np.zeros(about["features"], np.float32)
            weights[arrays["places"]] = arrays["weights"]
        return cls(weights, float(about["bias"]), float(about["threshold"]))


@dataclass(frozen=True, slots=True)
class Sample:
    """A text as the classifier reads it, its host ("" where it has none), and a number that orders the draw."""

    order: int
    text: str
    host: str = ""


def sampled(texts: Iterable[tuple[str, str]], most: int) -> list[Sample]:
    """Return up to `most` of the (text, host), each text once, chosen by a hash so that their order does not matter."""
    chosen: dict[str, Sample] = {}
    for text, host in texts:
        shortened = text[:MAX_CHARACTERS]
        if shortened.strip():
            chosen.setdefault(shortened, Sample(seed_of("recall", shortened), shortened, host))
        if len(chosen) > 2 * most:
            chosen = {one.text: one for one in _first(chosen.values(), most)}
    return _first(chosen.values(), most)


def _first(samples: Iterable[Sample], most: int) -> list[Sample]:
    return sorted(samples, key=lambda one: (one.order, one.text))[:most]


def trained(
    positives: Sequence[Sample], negatives: Sequence[Sample], settings: RecallSettings
) -> tuple[Classifier, RecallReport]:
    """Return the classifier of the last round, and its report.

    Raises TooFewTexts if there are fewer than LEAST positives or negatives.
    """
    own = {one.text for one in positives}
    unlabelled = [one for one in negatives if one.text not in own]
    for name, texts in (("positives", positives), ("pages beside them", unlabelled)):
        if len(texts) < LEAST:
            raise TooFewTexts(
                f"setting recall.positives: {len(texts)} {name}, and a classifier takes {LEAST}. "
                "Fix: give more texts of mathematics, or more pages"
            )
    yes, yes_out = _split(positives)
    everything = unlabelled
    sizes: list[int] = []
    classifier = None
    for _ in range(settings.rounds):
        if classifier is not None:
            rest = _without_recalled(everything, classifier)
            if len(rest) < LEAST:
                break  # nearly every page is like the positives: the round before is the last
            unlabelled = rest
        no, no_out = _split(unlabelled)
        sizes.append(len(unlabelled))
        weights, bias = _fit(yes, no)
        classifier = Classifier(weights, bias, 0.0)
        known = np.sort(classifier.scores([one.text for one in yes_out]))
        threshold = float(known[int((1.0 - settings.recall) * len(known) + 1e-9)])
        classifier = dataclasses.replace(classifier, threshold=threshold)
    assert classifier is not None
    others = classifier.scores([one.text for one in no_out])
    recall = float((known >= threshold).mean())
    wrong = float((others >= threshold).mean())
    report = RecallReport(
        positives=len(positives),
        held_out_positives=len(yes_out),
        held_out_negatives=len(no_out),
        recall=recall,
        precision=recall / (recall + wrong),
        threshold=threshold,
        rounds=tuple(sizes),
    )
    return classifier, report


def _split(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return (texts for training, texts that are held out), both in the order of their hashes."""
    ordered = _first(samples, len(samples))
    turns = seeds_of(("recall", "held out"), [str(one.order) for one in ordered])
    out = [one for one, turn in zip(ordered, turns, strict=True) if turn % _HELD_OUT == 0] or ordered[:1]
    chosen = {one.text for one in out}
    return [one for one in ordered if one.text not in chosen], out


def _without_recalled(samples: Sequence[Sample], classifier: Classifier) -> list[Sample]:
    """Return the texts that the classifier does not recall, of hosts of which it recalls few."""
    recalled = classifier.scores([one.text for one in samples]) >= classifier.threshold
    pages = Counter(one.host for one in samples if one.host)
    hits = Counter(one.host for one, hit in zip(samples, recalled, strict=True) if hit and one.host)
    return [
        one
        for one, hit in zip(samples, recalled, strict=True)
        if not hit and not (one.host and hits[one.host] >= max(2.0, _HOST_SHARE * pages[one.host]))
    ]


def _fit(yes: Sequence[Sample], no: Sequence[Sample]) -> tuple[npt.NDArray[np.float32], float]:
    from sklearn.linear_model import SGDClassifier

    texts = [one.text for one in (*yes, *no)]
    labels = np.array([1] * len(yes) + [0] * len(no))
    model: Any = SGDClassifier(
        loss="log_loss",
        alpha=1e-6,
        max_iter=_PASSES,
        tol=None,
        average=True,
        class_weight="balanced",
        random_state=seed_of("recall", "fit") % (1 << 32),
    )
    model.fit(_vectors(texts), labels)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


def _vectors(texts: Sequence[str]) -> Any:
    """Return the texts as a sparse matrix (texts, 2**18) of hashed words and pairs of words, each row of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer: Any = HashingVectorizer(
        n_features=_FEATURES, ngram_range=(1, 2), token_pattern=_TOKEN, lowercase=True, alternate_sign=True
    )
    return vectorizer.transform([_DIGITS.sub("0", text[:MAX_CHARACTERS]) for text in texts])
