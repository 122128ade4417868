"""A night on a schedule, and a message when something fails: schedule_with_an_alert.py SLACK_WEBHOOK_URL.

Without an address a receiver in this script replaces Slack: one failure is announced and printed, and the script ends.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from flows.runner.environment import arrange, running_server
from flows.settings import load_settings

MATHMILL = Path(sys.executable).with_name("mathmill")
messages: list[str] = []


class Receiver(BaseHTTPRequestHandler):
    """A receiver of the messages that a chat service would get."""

    def do_POST(self) -> None:
        messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing per request."""


def wait_for(condition, what: str) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.5)
    raise SystemExit(f"{what} did not happen within ten minutes")


home = load_settings().home.absolute()
port = os.environ.get("PORT", "4200")
up = subprocess.Popen([MATHMILL, "up", "--port", port, "--cron", "0 2 * * *", "--timezone", "Europe/Berlin"])
try:
    wait_for(lambda: up.poll() is not None or running_server(home), "the start of the server")
    arrange(home, quiet=True)  # this process talks to that server, with its password
    from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
    from prefect.events import emit_event

    if len(sys.argv) > 1:
        SlackWebhook(url=sys.argv[1]).save("alerts", overwrite=True)
        block = "slack-webhook/alerts"
    else:
        receiver = HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}"
        body = {"text": "{{subject}}: {{body}}"}
        CustomWebhookNotificationBlock(name="alerts", url=url, json_data=body).save("alerts", overwrite=True)
        block = "custom-webhook/alerts"
    subprocess.run([MATHMILL, "automations", "--notify", block], check=True)
    if len(sys.argv) > 1:
        up.wait()
    else:
        # what a night emits whose rows do not pass the gates
        resource = {"prefect.resource.id": "mathmill.example", "prefect.resource.name": "example"}
        emit_event(
            "mathmill.gate.failed", resource=resource, payload={"message": "an example of a failed gate"}
        )
        wait_for(lambda: messages, "the alert")
        print(f"alert received: {messages[0]}")
finally:
    with contextlib.suppress(KeyboardInterrupt):
        up.terminate()
        up.wait()
