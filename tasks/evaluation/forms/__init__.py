"""Forms of benchmark items: how an item is asked and how its answer is judged. Each form is one file, looked up by name:

prompt: str                                                   # the name of the prompt in prompts/
def shown(item) -> dict                                       # the variables of the prompt
def answers(items, texts, *, cut, judge, sandbox) -> list[str | None]   # the final answer of each completion
def right(items, answers, *, judge) -> list[bool | None]      # whether it is the trusted answer; None if unknown

`items` are dicts with the fields of tasks.evaluation.items.SCHEMA, one per text. `cut` has one flag per text: whether the
token limit cut it off; a cut text has an answer only if it is complete and marked. The optional `bare(item)` returns the
question as a user would type it, without instructions. A form whose answers are programs says `runs_programs = True`, and gets a
sandbox. The form `likelihood` asks nothing: tasks.evaluation.likelihood scores its options by a checkpoint.
"""
