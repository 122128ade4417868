"""Add a generation method: harder problems, each after one example. This file would work unchanged in tasks/methods/."""

from tasks.methods import Ask, as_written, examples_by_topic, rounds, written_questions
from tasks.seeding import rng_of, seed_of
from tasks.taxonomy import local_name

makes, takes = "questions", "rows"
prompt = "self_instruct"  # a file of prompts/; a method may bring its own
read, check = written_questions, as_written  # how completions are read, and compared with what was asked


def plan(pool, quota, *, per_call, examples, seed):
    """Return the prompts for the quota: (language, subdomain) -> questions. No model is asked here."""
    topics, asks = examples_by_topic(pool), []
    for (language, subdomain), rows_requested in sorted(quota.items()):
        known = topics.get((language, subdomain)) or topics.get((language, None)) or []
        for index, count in enumerate(rounds(rows_requested, per_call)):
            key = (seed, "harder", language, subdomain, index)  # same inputs, same questions
            shown = rng_of(*key).sample(known, min(1, len(known)))
            variables = {
                "subdomain": local_name(subdomain, language),
                "examples": [{"question": question} for _, question in shown],
                "count": count,
                "difficulty": 3,
            }
            parents = [row_id for row_id, _ in shown]
            asks.append(
                Ask("add_a_method", prompt, language, subdomain, count, variables, parents, seed_of(*key))
            )
    return asks


if __name__ == "__main__":
    from pathlib import Path

    import tasks.methods

    tasks.methods.__path__.append(str(Path(__file__).parent))  # not needed for a file of tasks/methods/
    from flows.cli.app import app

    night = ["nightly", "--target", "10", "--set", "dataset=harder", "--set", "weakness.share=0"]
    app([*night, "--set", "generate.methods={add_a_method: 1}"])
