"""Frameworks of reinforcement learning. Each is one file, found by its name:

data: str                                    # the path of the questions, which ends in train.jsonl or train.parquet; the split test lies beside them
usage: str                                   # how the framework uses the folder, in Markdown
def record(task, version) -> dict            # a question as the framework reads it
def files(digest, splits) -> dict[str, str]  # the framework's own files by path; `digest` is that of the verifier

A completion whose answer cannot be compared, or on which the verifier failed, has no reward: each format says how its framework leaves it out.
"""
