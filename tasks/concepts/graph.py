"""A graph of concepts that occur together in rows, and random walks on it that give sets of concepts.

Nodes are the subdomains and the concepts of one language, edges have the number of questions in which both ends occur. A walk begins at a
subdomain and goes on along edges, frequent ones first, so that it leaves its subdomain where others share a concept with it. Two spellings are one concept
if they differ in case, blanks, hyphens or a plural; tasks/concepts/merging.py finds concepts of one meaning in different words.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import networkx
import orjson

from tasks.concepts.merging import NamedConcept

LONGEST: Final = 80  # characters of the name of a concept; longer ones are sentences
_GAPS = re.compile(r"[\s\-_]+")

# (id of the problem, subdomain, its concepts)
ConceptRow = tuple[str, str | None, Sequence[str]]
# ("concept", its form by `normal`) or ("topic", a subdomain)
ConceptNode = tuple[str, str]


class ConceptGraph:
    """The graph of one language; `digest` identifies it by its content. `merged`: the concepts that were joined to others."""

    def __init__(self, rows: Iterable[ConceptRow], same: Mapping[str, str] | None = None) -> None:
        """`same`: the normal form of a concept -> that of the concept that it is joined to (tasks/concepts/merging.py)."""
        same = same or {}
        self.merged = len(same)
        by_problem = {
            problem: (subdomain, names) for problem, subdomain, names in sorted(rows, key=_by_problem)
        }
        spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
        together = Counter[tuple[ConceptNode, ConceptNode]]()
        for subdomain, names in by_problem.values():
            keys = sorted({same.get(key, key) for name in names if (key := normal(name))})
            for name in names:
                if key := normal(name):
                    spellings[same.get(key, key)][" ".join(name.split())] += 1
            nodes = [("concept", key) for key in keys] + ([("topic", subdomain)] if subdomain else [])
            together.update(combinations(nodes, 2))
        # the most frequent spelling of a concept, equals by the alphabet
        self._names = {
            key: min(counts, key=lambda one: (-counts[one], one)) for key, counts in spellings.items()
        }
        self.graph: Any = networkx.Graph()
        for (one, other), count in sorted(together.items()):
            self.graph.add_edge(one, other, weight=count)

    @classmethod
    def from_bytes(cls, data: bytes) -> ConceptGraph:
        """Return the graph of what `to_bytes` returned."""
        edges, names = orjson.loads(data)
        graph = cls(())
        graph._names = dict(names)
        for one, other, count in edges:
            graph.graph.add_edge(tuple(one), tuple(other), weight=count)
        return graph

    def to_bytes(self) -> bytes:
        """Return the edges with their weights, and the spellings, as JSON. Equal graphs give equal bytes."""
        edges = sorted((*sorted(edge), weight) for *edge, weight in self.graph.edges(data="weight"))
        return orjson.dumps([edges, sorted(self._names.items())])

    @property
    def digest(self) -> str:
        """The SHA-256 of `to_bytes`."""
        return digest_of(self.to_bytes())

    @property
    def concepts(self) -> int:
        """The number of concepts."""
        return sum(kind == "concept" for kind, _ in self.graph)

    @property
    def pairs(self) -> int:
        """The number of pairs of concepts that occur together."""
        return sum(one[0] == other[0] == "concept" for one, other in self.graph.edges)

    def named(self) -> list[NamedConcept]:
        """Return the concepts in the order of their keys, as tasks.concepts.merging compares them."""
        topics = {
            key: {
                topic: edge["weight"]
                for (kind, topic), edge in self.graph.adj.get(("concept", key), {}).items()
                if kind == "topic"
            }
            for key in sorted(self._names)
        }
        return [
            NamedConcept(key, self._names[key], sum(counts.values()), set(counts))
            for key, counts in topics.items()
        ]

    def name(self, node: ConceptNode) -> str:
        """Return how a node is shown: a concept as it is spelled most often, a topic as its subdomain."""
        kind, key = node
        return self._names[key] if kind == "concept" else key

    def core(self, nodes: int, edges: int) -> Any:
        """Return the networkx graph of the `nodes` nodes with the most occurrences, and of the `edges` most frequent edges between
        them. Nodes without any of these are left out."""
        occurrences = dict(self.graph.degree(weight="weight"))
        chosen = sorted(self.graph, key=lambda node: (-occurrences[node], node))[:nodes]
        between = [
            (*sorted(edge), weight) for *edge, weight in self.graph.subgraph(chosen).edges(data="weight")
        ]
        core = networkx.Graph()
        for one, other, weight in sorted(between, key=lambda edge: (-edge[2], edge[:2]))[:edges]:
            core.add_edge(one, other, weight=weight)
        return core

    def walk(self, subdomain: str, length: int, rng: random.Random) -> list[str]:
        """Return up to `length` different concepts, as they are spelled most often; none if the subdomain has none."""
        place = ("topic", subdomain)
        chosen: list[ConceptNode] = []
        while len(chosen) < length and place in self.graph:
            further = sorted(
                node for node in self.graph[place] if node[0] == "concept" and node not in chosen
            )
            if not further:
                break
            # log, so that a pair that occurs a hundred times does not hide all others (SynthLLM)
            weights = [math.log1p(self.graph[place][node]["weight"]) for node in further]
            (place,) = rng.choices(further, weights)
            chosen.append(place)
        return [self.name(node) for node in chosen]


def digest_of(data: bytes) -> str:
    """Return the digest of a graph by its bytes."""
    return hashlib.sha256(data).hexdigest()


def normal(name: str) -> str:
    """Return the form in which spellings of one concept agree, empty if the name is none."""
    text = _GAPS.sub(" ", name.strip()).casefold()
    if not text or len(text) > LONGEST or "\n" in name.strip():
        return ""
    return text[:-1] if len(text) > 4 and text.endswith("s") and not text.endswith("ss") else text


def _by_problem(row: ConceptRow) -> tuple[str, list[str]]:
    return row[0], sorted(row[2])
