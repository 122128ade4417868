"""`mathmill automations`: create or update the Prefect automations that watch runs and send alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.runner.environment import arrange

if TYPE_CHECKING:
    from prefect.automations import Automation

HEARTBEAT_S = 60  # between two heartbeats of a run, as flows/runner/environment.py sets it
SILENT_FOR = timedelta(seconds=4 * HEARTBEAT_S)
LATE_FOR = timedelta(minutes=30)
STATES = ("Completed", "Failed", "Cancelled", "Crashed")
RUN = "prefect.flow-run."
NAMES = "mathmill: "


def automations(
    notify: Annotated[
        str,
        typer.Option(
            help="Prefect notification block that alerts are sent to, such as slack-webhook/alerts; empty: no alerts."
        ),
    ] = "",
) -> None:
    """Create or update the automations on the Prefect server: zombie and late runs, failures, gates, budget, drift."""
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    for name in make(notify):
        typer.echo(name)


def make(notify: str = "") -> list[str]:
    """Create or update the automations by name and return their names.

    `notify` is TYPE/NAME of a notification block; empty sends no alerts. Raises SettingsError if the server has no such
    block.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        block = _block(client, notify) if notify else None
        declared = _automations(block)
        for automation in declared:
            stored = [each for each in _stored(client) if each["name"] == automation.name]
            # the server sets the owner at creation and refuses it in an update
            body = automation.model_dump(mode="json", exclude={"id", "owner_resource"})
            if stored:
                client.request("PUT", "/automations/{id}", path_params={"id": stored[0]["id"]}, json=body)
            else:
                client.request("POST", "/automations/", json=body)
    return [automation.name for automation in declared]


def _automations(block: Any) -> list[Automation]:
    """Return the automations; `block` is the id of a notification block, or None."""
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState, DoNothing, SendNotification
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    from flows.runner.events import BUDGET, CRITIC, DRIFT, GATE

    def alert(subject: str) -> list[Any]:
        """Return the action that sends an alert. Without a block the event feed still shows that it was triggered."""
        if block is None:
            return [DoNothing()]
        body = "{{ event.resource.name }}: {{ event.payload.message }} ({{ event.event }})"
        return [SendNotification(block_document_id=block, subject=subject, body=body)]

    def alert_on(name: str, description: str, *events: str, resource: str = "mathmill.*") -> Automation:
        match = ResourceSpecification({"prefect.resource.id": [resource]})
        trigger = EventTrigger(expect=set(events), match=match, posture=Posture.Reactive, threshold=1)
        return Automation(
            name=NAMES + name, description=description, trigger=trigger, actions=alert(f"mathmill: {name}")
        )

    silent = EventTrigger(
        after={f"{RUN}heartbeat"},
        expect={f"{RUN}heartbeat", *(RUN + state for state in STATES)},
        match=ResourceSpecification({"prefect.resource.id": [f"{RUN}*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=SILENT_FOR,
    )
    crashed = ChangeFlowRunState(
        state=StateType.CRASHED,
        name="Crashed",
        message="No sign of life: the process or its machine is gone.",
    )
    return [
        Automation(
            name=NAMES + "zombie run",
            description="Marks a run without a heartbeat as Crashed; the same run started again continues where it stopped.",
            trigger=silent,
            actions=[crashed, *([] if block is None else alert("mathmill: zombie run"))],
        ),
        alert_on("late run", "No worker took a scheduled run.", f"{RUN}Late", resource=f"{RUN}*"),
        alert_on(
            "run failed", "A run failed or crashed.", f"{RUN}Failed", f"{RUN}Crashed", resource=f"{RUN}*"
        ),
        alert_on("gate failed", "A version did not pass its gates and was not published.", GATE),
        alert_on("budget exceeded", "A run stopped at its budget.", BUDGET),
        alert_on("drift alarm", "The model, or the rows that it writes, changed.", DRIFT),
        alert_on("critic alarm", "A trained critic misjudged solutions whose judgement is known.", CRITIC),
    ]


def _stored(client: Any) -> list[dict[str, Any]]:
    """Return the automations that the server has."""
    automations: list[dict[str, Any]] = client.request(
        "POST", "/automations/filter", json={"limit": 200}
    ).json()
    return automations


def _block(client: Any, notify: str) -> Any:
    """Return the id of the block TYPE/NAME. Raises SettingsError if there is none."""
    from prefect.exceptions import ObjectNotFound

    from flows.settings import SettingsError

    kind, slash, name = notify.partition("/")
    if not slash:
        raise SettingsError(
            f"--notify {notify}: must be TYPE/NAME. Fix: give one such as slack-webhook/alerts"
        )
    try:
        return client.read_block_document_by_name(name=name, block_type_slug=kind).id
    except ObjectNotFound as error:
        raise SettingsError(
            f"--notify {notify}: the Prefect server has no such block. Fix: create it under Blocks in the UI"
        ) from error
