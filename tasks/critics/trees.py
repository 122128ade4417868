"""Gradient-boosted trees as plain arrays: trained by scikit-learn, stored and read without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats

_LEAF = -1
BINS = 255  # of the values of a feature, as in scikit-learn
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of decision trees whose value is the log odds of the class 1.

    The nodes of all trees are in one list: `feature` is the number of the feature that the node compares, -1 in a leaf; `threshold`: a row
    goes to `left` if its feature is at most that, or else to `right`; `value`: of a leaf. `roots`: the node at which each tree begins.
    """

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats
    baseline: float

    def log_odds(self, rows: Floats) -> Floats:
        """Return the log odds of each row (n, features), float64 (n,). Raises ValueError for values that are not finite."""
        if not np.isfinite(rows).all():
            raise ValueError("the features of a step are not finite")
        out = np.full(len(rows), self.baseline)
        numbers = np.arange(len(rows))
        for root in self.roots.tolist():
            node = np.full(len(rows), root, np.int32)
            going = numbers
            while len(going):
                at = node[going]
                inner = self.feature[at] != _LEAF
                going, at = going[inner], at[inner]
                lower = rows[going, self.feature[at]] <= self.threshold[at]
                node[going] = np.where(lower, self.left[at], self.right[at])
            out += self.value[node]
        return out

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return everything as arrays by name; `from_arrays` is the inverse."""
        return {
            "roots": self.roots,
            "feature": self.feature,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "value": self.value,
            "baseline": np.array([self.baseline]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Trees:
        """Raises ValueError for arrays that are no trees, such as those of a damaged file."""
        parts = {name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__}
        nodes = len(parts["feature"])
        for name in ("roots", "left", "right"):
            if len(parts[name]) and not (parts[name].min() >= 0 and parts[name].max() < max(nodes, 1)):
                raise ValueError(f"trees: {name} points outside the {nodes} nodes")
        inner = np.flatnonzero(parts["feature"] != _LEAF)
        if (parts["left"][inner] <= inner).any() or (parts["right"][inner] <= inner).any():
            raise ValueError("trees: a node is its own ancestor")  # it would be walked without end
        return cls(
            parts["roots"].astype(np.int32),
            parts["feature"].astype(np.int32),
            parts["threshold"].astype(np.float64),
            parts["left"].astype(np.int32),
            parts["right"].astype(np.int32),
            parts["value"].astype(np.float64),
            float(parts["baseline"][0]),
        )


def train_trees(
    rows: Floats,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    *,
    seed: int,
    rounds: int = 150,
    rate: float = 0.08,
    leaves: int = 15,
    least: int = 40,
) -> Trees:
    """Train on rows (n, features) with labels 0 or 1 and weights. The same input and seed give the same trees.

    Raises RuntimeError if the arrays do not compute what scikit-learn does: its layout of trees is not part of its documented interface.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=least,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=seed % 2**31,
    )
    weighed = weights > 0
    edges = [_edges(column[weighed], weights[weighed]) for column in rows.T]
    bins = np.column_stack([np.searchsorted(own, column) for own, column in zip(edges, rows.T, strict=True)])
    model.fit(bins, labels, sample_weight=weights)
    columns: dict[str, list[npt.NDArray[np.generic]]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value")
    }
    roots, offset = [], 0
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        roots.append(offset)
        columns["feature"].append(np.where(leaf, _LEAF, nodes["feature_idx"]).astype(np.int32))
        columns["threshold"].append(_thresholds(nodes, edges))
        columns["left"].append(np.where(leaf, 0, nodes["left"] + offset).astype(np.int32))
        columns["right"].append(np.where(leaf, 0, nodes["right"] + offset).astype(np.int32))
        columns["value"].append(np.where(leaf, nodes["value"], 0.0))
        offset += len(nodes)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    trees = Trees.from_arrays(
        {**joined, "roots": np.array(roots), "baseline": np.ravel(model._baseline_prediction)[:1]}
    )
    sample = slice(None, None, max(1, len(rows) // 500))
    if np.abs(trees.log_odds(rows[sample]) - model.decision_function(bins[sample])).max() > TOLERANCE:
        raise RuntimeError("the stored trees differ from those of scikit-learn: its layout has changed")
    return trees


def _edges(column: Floats, weights: Floats) -> Floats:
    """Return the values between the bins of a feature, rising, at most BINS - 1: a row is in the bin of its number of smaller edges.

    They are the weighted quantiles (averaged inverted distribution function) that scikit-learn would take. It sorts the column anew for each of
    them, which would be most of its training on tables like these.
    """
    distinct = np.unique(column)
    if len(distinct) <= BINS:
        return np.asarray((distinct[:-1] + distinct[1:]) / 2, np.float64)
    order = np.argsort(column)
    values, below = column[order], np.cumsum(weights[order])
    shares = np.linspace(0, below[-1], BINS + 1)[1:-1]
    at = (np.searchsorted(below, shares, side=side) for side in ("left", "right"))
    low, high = (values[np.minimum(place, len(values) - 1)] for place in at)
    return np.unique((low + high) / 2)


def _thresholds(nodes: npt.NDArray[np.void], edges: Sequence[Floats]) -> Floats:
    """Return the threshold of each node in the values of its feature; 0 in a leaf."""
    return np.array(
        [
            0.0 if leaf else edges[feature][int(bound)]
            for leaf, feature, bound in zip(
                nodes["is_leaf"].tolist(),
                nodes["feature_idx"].tolist(),
                nodes["num_threshold"].tolist(),
                strict=True,
            )
        ],
        np.float64,
    )
