"""Rules: plug-ins that find benchmark items in rows, one file each, looked up by name (tasks.plugins).

A rule is a module with two functions:

    def prepare(items: Items) -> Any                       an index of the items
    def find(rows: Items, prepared: Any) -> list[Hit]      at most one hit per row: the strongest

A rule with NEEDS = ("encode",) or ("encode", "judge") is also given the tools: find(rows, prepared, tools).
`rows` has one text per row; exact.py and ngram13.py are the examples to copy.
"""

# the defaults, cheap ones first: a row is rejected by the first that finds an item
RULES = (
    "exact", "ngram13", "ngram8", "options", "sentences", "template", "retold", "equations", "translation", "paraphrase",
)  # fmt: skip
