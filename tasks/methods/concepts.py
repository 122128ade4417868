"""Questions for sets of concepts that occur together, with a rationale first, after SynthLLM (Qin et al. 2025, arXiv:2503.19551) and
PromptCoT (Zhao et al. 2025, arXiv:2503.02324).

The concepts are those of the column `concepts` of the pool. A model names those of rows and of passages that have none, once per
text (tasks/concepts/extraction.py). Random walks on the graph of what occurs together (tasks/concepts/graph.py)
give each call its set, which may reach over subdomains. The graphs are stored (tasks/concepts/stored.py), and rows name theirs by its
digest. The writer states the rationale before the question: what connects the concepts and why
the problem needs all of them. Concepts of one meaning are merged by their words and their embeddings (tasks/concepts/merging.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
from pydantic import Field

from storage.rows import GRAPH, column
from tasks.concepts.graph import ConceptGraph
from tasks.concepts.merging import merged
from tasks.conditions import readable_concepts
from tasks.methods import Ask, Item, Makes, Quota, Takes, examples_by_topic, rounds, written_questions
from tasks.retrieval.encoder import StoredEncoder
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section
from tasks.taxonomy import local_name

prompt = "concepts"
makes: Makes = "questions"
takes: Takes = "rows"
read = written_questions


class ConceptsSettings(Section):
    extract: int = Field(
        1_000,
        ge=0,
        description="texts without concepts (seeds, accepted questions, rows and passages of the material) that the teacher is asked about, at most; 0: none",
    )
    fewest: int = Field(2, ge=2, le=8, description="concepts that a question needs, at least")
    merge: float | None = Field(
        0.88,
        gt=0.5,
        le=1,
        description="least cosine of the embeddings of two concepts that are merged, beside those whose words agree; null: none are",
    )
    most: int = Field(4, ge=2, le=8, description="concepts that a question needs, at most")

    def model_post_init(self, _context: object) -> None:
        if self.fewest > self.most:
            raise ValueError("fewest is above most")


own_settings = ConceptsSettings


def graphs(
    pool: pa.Table, quota: Quota, *, encode: StoredEncoder | None = None, settings: Section | None = None
) -> dict[str, ConceptGraph]:
    """Return the graph of each language of the quota, of the concepts of the pool. Concepts of one meaning are merged by their words, and by
    `encode` in the languages that it was trained on."""
    own = settings if isinstance(settings, ConceptsSettings) else ConceptsSettings()
    names = ("language", "problem_id", "subdomain", "concepts")
    rows = list(zip(*(column(pool, name) for name in names), strict=True))
    built = {}
    for language in sorted({language for language, _ in quota}):
        own_rows = [
            (problem, subdomain, shown)
            for of, problem, subdomain, points in rows
            if of == language and points and (shown := readable_concepts(points, subdomain, language))
        ]
        graph = ConceptGraph(own_rows)
        if own.merge is not None and graph.concepts:
            named = graph.named()
            embeds = encode is not None and encode.trained_on(language)
            vectors = encode([one.name for one in named]) if encode is not None and embeds else None
            graph = ConceptGraph(own_rows, merged(named, language, own.merge, vectors))
        built[language] = graph
    return built


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    settings: Section | None = None,
    drawn_from: Mapping[str, ConceptGraph] | None = None,
) -> list[Ask]:
    """Return one call per `per_call` questions, each for a set of concepts; none for a topic without concepts in the pool."""
    own = settings if isinstance(settings, ConceptsSettings) else ConceptsSettings()
    topics = examples_by_topic(pool)
    by_language = graphs(pool, quota) if drawn_from is None else drawn_from
    digests = {language: graph.digest for language, graph in by_language.items()}
    asks = []
    for (language, subdomain), questions in sorted(quota.items()):
        graph = by_language[language]
        candidates = topics.get((language, subdomain)) or []
        for index, count in enumerate(rounds(questions, per_call)):
            rng = rng_of(seed, prompt, language, subdomain, index)
            walked = graph.walk(subdomain, rng.randint(own.fewest, own.most), rng)
            if len(walked) < own.fewest:
                continue
            chosen = rng.sample(candidates, min(examples, len(candidates)))
            asks.append(
                Ask(
                    prompt,
                    prompt,
                    language=language,
                    subdomain=subdomain,
                    count=count,
                    variables={
                        "subdomain": local_name(subdomain, language),
                        "concepts": walked,
                        "difficulty": rng.randint(2, 5),
                        "count": count,
                        "examples": [{"question": question} for _, question in chosen],
                        GRAPH: digests[language],
                    },
                    parent_ids=[row_id for row_id, _ in chosen],
                    seed=seed_of(seed, prompt, language, subdomain, index, "asked"),
                )
            )
    return asks


def check(item: Item, ask: Ask) -> Item:
    """Return the question with the digest of the graph that its concepts are from."""
    return replace(item, params={GRAPH: ask.variables[GRAPH]})
