"""Train a small student on a pinned version: train_on_a_version.py [NAME[@VERSION]]. A minute on a CPU."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from flows.settings import load_settings
from storage.datasets.store import Store

MATHMILL = Path(sys.executable).with_name("mathmill")

store = Store(load_settings().tables)
version = store.resolve(sys.argv[1] if len(sys.argv) > 1 else "math-sft")
out = Path(tempfile.mkdtemp(prefix="student-"))
steps = [
    "--set",
    "steps=10",
    "--set",
    "batch=8",
    "--set",
    "length=256",
    "--set",
    "lr=1e-3",
    "--set",
    "packing=false",
]
# a lease keeps retention from deleting the files of the version while the block lasts
with store.leased(version, holder="examples/train_on_a_version.py", hours=1) as pinned:
    subprocess.run([MATHMILL, "train", str(pinned), "--out", out, *steps], check=True)

record = json.loads((out / "run.json").read_text(encoding="utf-8"))
for stage in record["stages"]:
    for source in stage["data"]:
        print(f"trained on {source['version']}")
        assert source["version"] == str(version)
print(f"checkpoint files: {sorted(path.name for path in out.rglob('*.safetensors'))} below {out}")
