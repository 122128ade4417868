"""Query the data with DuckDB: query_with_duckdb.py [NAME[@VERSION]]."""

import sys

import duckdb

from flows.settings import load_settings
from storage.datasets.store import Store

store = Store(load_settings().tables)
version = store.resolve(sys.argv[1] if len(sys.argv) > 1 else "math-sft")
rows = duckdb.read_parquet(store.files(version))  # the plain files of a pinned version
print(f"{version}: {version.rows} rows, digest {version.digest[:16]}")

print("\nRows, difficulty and probability of being right by subdomain:")
print(
    duckdb.sql(
        """SELECT subdomain, count(*) AS n, round(avg(difficulty), 2) AS difficulty, round(avg(correctness), 3) AS correctness
        FROM rows GROUP BY subdomain ORDER BY n DESC LIMIT 5"""
    )
)

print("Questions that have a solution in words and a program with the same answer:")
print(
    duckdb.sql(
        """SELECT a.question, a.answer FROM rows a JOIN rows b USING (problem_id, answer)
        WHERE a.solution_format = 'cot' AND b.solution_format = 'pot' ORDER BY a.id LIMIT 3"""
    )
)

candidates = store.candidates()  # every row of every run, dropped ones too
assert candidates is not None, "no run has ended yet"
dropped = candidates.to_table(columns=["reason", "rejected"])
print("Why rows were dropped:")
print(
    duckdb.sql(
        """SELECT reason.stage AS stage, reason.code AS code, count(*) AS n, any_value(rejected) AS example
        FROM dropped WHERE rejected IS NOT NULL GROUP BY ALL ORDER BY n DESC LIMIT 5"""
    )
)
