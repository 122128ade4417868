"""The command `attribution`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from storage.counting import counted

if TYPE_CHECKING:
    from flows.config.attribution import GroupAttribution


@configured_by(
    "flows.config.attribution.GroupAttribution",
    Shortcut("version", argument=True, metavar="NAME[@VERSION]"),
    Shortcut("by"),
    Shortcut("items"),
    Shortcut("rows"),
    Shortcut("most"),
    Shortcut("check"),
    Shortcut("steps"),
    Shortcut("base"),
)
def attribution(config: GroupAttribution, json: AsJson = False) -> None:
    """Measure which source, method or teacher of a version earned or cost the points on held-out items.

    The gradient of each group is compared with that of the items during one training of a small student, and the suspects are checked by
    training again without them. Both are kept as a mark of the version.
    """
    from flows.runner.attribution_inputs import AttributionInputs
    from flows.settings import load_settings
    from storage.datasets.store import Store

    settings = load_settings()
    # the flow reads them again; here an error shows before Prefect is started
    AttributionInputs.of(config, Store(settings.tables), settings.home)
    with orchestrated(config.version.partition("@")[0]) as run:
        from flows.attribution import attribution as flow

        value = run(flow, config)
    if json:
        terminal.print_json(value)
        return
    from tasks.reports.attribution import conclusion, groups_of

    terminal.echo(
        f"Influence on {value['items']} (cosine of the gradients), and the change of the loss in nats per token without the group"
    )
    for name, rows, influence, without in groups_of(value):
        left = "not checked" if without is None else f"{without:+.4f} without it"
        terminal.echo(f"  {name[:32]:<32} {counted(rows, 'row'):>10} {influence:+.3f}  {left}")
    terminal.echo(conclusion(value))
