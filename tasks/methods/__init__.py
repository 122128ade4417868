"""Ways to get new questions, one module each (self_instruct is the exemplar).

A method is a module with two names:

    prompt: str                                  # a file of prompts/: <prompt>.<language>.md
    def plan(pool, quota, *, per_call, examples, seed) -> list[Ask]

`pool` is a table of rows to take examples from, `quota` says how many questions of each
(language, subdomain) are wanted. Planning asks no model: tasks/stages/generate.py sends the asks.
"""
