"""Run a night that starts from your own problems and from no others."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from flows.settings import load_settings
from storage.datasets.store import Store

MATHMILL = Path(sys.executable).with_name("mathmill")

# GSM8K's columns; MATH's, `messages` and `instruction`/`output` are recognised too
PROBLEMS = [
    {
        "question": "A box holds 12 pencils. How many pencils are in 7 boxes?",
        "answer": "7 * 12 = 84\n#### 84",
    },
    {"question": "Solve 3x + 5 = 26 for x.", "answer": "3x = 21, so x = 7\n#### 7"},
    {
        "question": "What is the probability of two heads in two tosses of a fair coin?",
        "answer": "1/2 * 1/2\n#### 1/4",
    },
]

with tempfile.TemporaryDirectory() as folder:
    seeds = Path(folder) / "mine.jsonl"
    seeds.write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS), encoding="utf-8")
    night = ["nightly", "--target", "10", "--seeds", seeds]
    own = ["--set", "dataset=own-seeds", "--set", "seeds.own=false", "--set", "weakness.share=0"]
    subprocess.run([MATHMILL, *night, *own], check=True)

store = Store(load_settings().tables)
version = store.resolve("own-seeds")
print(f"\n{version} was made from {[source['file'] for source in version.lineage['inputs']]}:")
for row in store.read(version, columns=["subdomain", "question", "answer"]).slice(0, 3).to_pylist():
    print(f"- {row['subdomain']}: {row['question']} -> {row['answer']}")
