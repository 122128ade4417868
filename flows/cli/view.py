"""The command `view`: the page over the store."""

from __future__ import annotations

from typing import Annotated

import typer


def view(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 4280,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; other than loopback only with MATHMILL_VIEW_PASSWORD or MATHMILL_VIEW_PROXY_HEADER."
        ),
    ] = "127.0.0.1",
) -> None:
    """Show what is stored as a page in a browser: versions, rows, why rows were dropped, comparisons, costs, runs. Ctrl-C stops it."""
    from flows.runner.environment import arrange
    from flows.server.page import serve_page
    from flows.settings import load_settings

    settings = load_settings()
    arrange(settings.home, quiet=True)
    serve_page(settings, host, port)
