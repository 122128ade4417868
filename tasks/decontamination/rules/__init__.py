"""Rules, one file each, found by name (tasks.plugins). A rule is a module with two functions:

    def prepare(items: Items) -> Any                       what the items are looked up in
    def find(rows: Items, prepared: Any) -> list[Hit]      hits, one a row at most: the strongest

A rule with NEEDS = ("encode",) or ("encode", "judge") is given the tools too: find(rows, prepared, tools). `rows` has a text for
each row; exact.py and ngram13.py are the exemplars.
"""

# by default, the cheap ones first: a row goes with the first that finds something
RULES = (
    "exact", "ngram13", "ngram8", "options", "sentences", "template", "retold", "equations", "translation", "paraphrase",
)  # fmt: skip
