"""How a benchmark asks and how an answer is judged, one form a file, found by name. A form has

prompt: str                                                   # of prompts/, by which an item is asked
def shown(item) -> dict                                       # the prompt's variables
def answers(items, texts, *, cut, judge, sandbox) -> list[str | None]   # the final answer of each completion
def right(items, answers, *, judge) -> list[bool | None]      # whether it is the trusted one; None: the judge cannot tell

`items` are dicts by tasks.evaluation.items.SCHEMA, one for each text; `cut` says of each text whether the cap of tokens
cut it off: then it has no answer but a whole, marked one. `bare(item)`, where a form has it, is the question
as a user would type it, without instructions.
"""
