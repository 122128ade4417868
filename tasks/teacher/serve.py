"""The embedded teacher on a port, for any chat-completions client."""

from __future__ import annotations

import socket

import uvicorn

from storage.errors import ForPeople
from tasks.teacher.app import make_app


class PortTaken(ForPeople, OSError):
    """The port is not available. The message names it and the fix."""


def serve(
    port: int = 8000, *, host: str = "127.0.0.1", api_key: str | None = None, latency: float = 0.0
) -> None:
    """Print the base URL and serve until interrupted; port 0 takes a free one. Raises PortTaken if it is in use."""
    listening = listen(host, port)
    listening.listen()  # from here on clients are queued and not refused while the application starts
    print(f"http://{host}:{listening.getsockname()[1]}/v1", flush=True)
    config = uvicorn.Config(make_app(api_key, latency=latency), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket. Raises PortTaken if the port is in use or not allowed."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({error.strerror}). Fix: choose another with --port, or 0 for a free one"
        ) from error
    return bound


if __name__ == "__main__":
    serve(0)
