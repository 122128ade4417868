"""Run a night on any chat-completions endpoint: any_endpoint.py URL MODEL, with the key in MATHMILL_TEACHER__API_KEY.

Without arguments the script starts a server of the embedded teacher as the endpoint.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

MATHMILL = Path(sys.executable).with_name("mathmill")


def stand_in() -> tuple[subprocess.Popen[bytes], str]:
    """Start a local endpoint; return its process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([MATHMILL, "teacher", "serve", "--port", str(port)])
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return process, f"http://127.0.0.1:{port}/v1"
        except OSError:
            time.sleep(0.1)
    process.terminate()
    raise SystemExit("The local endpoint did not start. Fix: read its output above")


server = None
if len(sys.argv) == 3:
    url, model = sys.argv[1:]
else:
    server, url = stand_in()
    model = "embedded"
settings = {
    "MATHMILL_TEACHER__BASE_URL": url,
    "MATHMILL_TEACHER__MODEL": model,
    "MATHMILL_TEACHER__PRICE_IN": "0.15",  # USD per million tokens: what the budget counts
    "MATHMILL_TEACHER__PRICE_OUT": "0.60",
}
try:
    night = [
        "nightly",
        "--target",
        "6",
        "--budget-usd",
        "1",
        "--set",
        "dataset=endpoint",
        "--set",
        "weakness.share=0",
    ]
    subprocess.run([MATHMILL, *night], env=os.environ | settings, check=True)
    subprocess.run([MATHMILL, "ledger", "stats"], check=True)
finally:
    if server is not None:
        server.terminate()
        server.wait()
