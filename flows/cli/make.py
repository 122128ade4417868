"""The command `make`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.nightly import LIMITS, check_feasible, run_to_its_end
from flows.cli.options import AsJson, Shortcut, configured_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.config.make import Make


@configured_by(
    "flows.config.make.Make",
    Shortcut("method", argument=True, metavar="METHOD"),
    Shortcut("material.versions", "versions", argument=True, metavar="NAME[@VERSION] ..."),
    Shortcut("dataset"),
    Shortcut("target"),
    *LIMITS,
    # without a method, `--show-config` still shows all settings
    check=lambda config: check_feasible(config.alone()) if config.method else None,
)
def make(config: Make, json: AsJson = False) -> None:
    """Make rows by one method of tasks/methods/, and publish those that pass the stages of a night.

    A method on documents works on the passages of the versions, and uses each once per dataset. The same command continues a
    run that was interrupted. Exit code 3 if a limit stopped it before it could publish:
    ./mathmill make textbook_qa books --dataset textbook-qa
    """
    from flows.make import check

    check(config)  # the flow checks again; here an error shows before Prefect is started

    def flow() -> Callable[[Make], str]:
        from flows.make import make

        return make

    run_to_its_end(flow, config, json=json)
