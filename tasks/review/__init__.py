"""Review by people: which rows are shown, what is recorded, and what the judgements say of a version.

`tasks.review.session.Review` is what the terminal and the page use: a queue, a record of judgements, and an estimate.
"""
