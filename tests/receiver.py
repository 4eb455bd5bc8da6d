"""A receiver of webhooks as a process of its own, which answers as it is told and writes down what comes.

Run as ``python tests/receiver.py LOG ANSWERS``: it prints its port. ANSWERS are statuses in order, separated
by commas, of which the last one stays; ``hang`` answers nothing. LOG gets a line of JSON for each request.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOG, ANSWERS = Path(sys.argv[1]), sys.argv[2].split(",")
LOCK = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Write the request down and answer."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {"path": self.path, "headers": dict(self.headers.items()), "body": body.decode()}
        with LOCK:
            answer = ANSWERS.pop(0) if len(ANSWERS) > 1 else ANSWERS[0]
            with LOG.open("a") as log:
                log.write(json.dumps(told) + "\n")
        if answer == "hang":
            threading.Event().wait()
        self.send_response(int(answer))
        if answer.startswith("3"):
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """Do the same."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def end_with_parent() -> None:
    """Stop once whoever started this is gone."""
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()
