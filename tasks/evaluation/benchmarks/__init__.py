"""The named benchmarks: one file each, which is all that adding one takes. A module says:

names: tuple[str, ...]     # what its files are called, in lower case and without punctuation
domain: str                # one of tasks.evaluation.domains.DOMAINS
capability: str            # one of tasks.evaluation.domains.CAPABILITIES
subsets: bool              # optional, True: other words may follow the name, such as a subject
folders: bool              # optional, False: a folder of this name holds its files, which are named by subject
header: tuple[str, ...]    # optional: the columns of its CSV files where these have no first line of names
skipped: str               # optional: why it cannot be run, so that its files are named and left out
def of_record(record) -> dict[str, str]   # optional: `domain` and `capability` of a record whose own are others
def items(record) -> list[dict]   # optional: the items of a record in the benchmark's own form

`items` gets a record with `plain` names (tasks.ingestion.column_names) and returns dicts of the shapes in
tasks.evaluation.shapes; it raises Unfit if the record is of no form that it knows, and returns an empty list to leave the record
to the usual conventions. An item may state `domain`, `capability` and `subdomain` of its own.
"""
