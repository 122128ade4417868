"""`mathmill automations`: what Prefect does by itself. Made, or brought up to date, by one command."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.runner.environment import arrange

if TYPE_CHECKING:
    from prefect.automations import Automation

HEARTBEAT_S = 60  # between two signs of life of a run: see flows/runner/environment.py
SILENT_FOR = timedelta(seconds=4 * HEARTBEAT_S)
LATE_FOR = timedelta(minutes=30)
STATES = ("Completed", "Failed", "Cancelled", "Crashed")
RUN = "prefect.flow-run."
NAMES = "mathmill: "


def automations(
    notify: Annotated[
        str, typer.Option(help="A notification block, such as slack-webhook/alerts; empty: none is sent.")
    ] = "",
) -> None:
    """Make the automations on the Prefect server: zombie and late runs, failures, gates, budget, drift."""
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    for name in make(notify):
        typer.echo(name)


def make(notify: str = "") -> list[str]:
    """Create or update them by name; returns the names. SettingsError if there is no such block."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        block = _block(client, notify) if notify else None
        wanted = _wanted(block)
        for automation in wanted:
            known = [found for found in _known(client) if found["name"] == automation.name]
            # the owner is set once, when it is made: the server refuses it in an update
            body = automation.model_dump(mode="json", exclude={"id", "owner_resource"})
            if known:
                client.request("PUT", "/automations/{id}", path_params={"id": known[0]["id"]}, json=body)
            else:
                client.request("POST", "/automations/", json=body)
    return [automation.name for automation in wanted]


def _wanted(block: Any) -> list[Automation]:
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState, DoNothing, SendNotification
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    from flows.runner.events import BUDGET, DRIFT, GATE

    def told(subject: str) -> list[Any]:
        """To be told of; without a block the event feed shows that the automation was triggered."""
        if block is None:
            return [DoNothing()]
        body = "{{ event.resource.name }}: {{ event.payload.message }} ({{ event.event }})"
        return [SendNotification(block_document_id=block, subject=subject, body=body)]

    def when(name: str, words: str, *events: str, resource: str = "mathmill.*") -> Automation:
        match = ResourceSpecification({"prefect.resource.id": [resource]})
        trigger = EventTrigger(expect=set(events), match=match, posture=Posture.Reactive, threshold=1)
        return Automation(
            name=NAMES + name, description=words, trigger=trigger, actions=told(f"mathmill: {name}")
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
            description="A run without a sign of life is Crashed; run again, it goes on where it was.",
            trigger=silent,
            actions=[crashed, *([] if block is None else told("mathmill: zombie run"))],
        ),
        when("late run", "No worker took a scheduled run.", f"{RUN}Late", resource=f"{RUN}*"),
        when("run failed", "A run failed or crashed.", f"{RUN}Failed", f"{RUN}Crashed", resource=f"{RUN}*"),
        when("gate failed", "A version did not pass its gates; nothing was published.", GATE),
        when("budget exceeded", "A run stopped at its budget.", BUDGET),
        when("drift alarm", "The model, or what it writes, changed.", DRIFT),
    ]


def _known(client: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.request("POST", "/automations/filter", json={"limit": 200}).json()
    return found


def _block(client: Any, notify: str) -> Any:
    from prefect.exceptions import ObjectNotFound

    from flows.settings import SettingsError

    kind, slash, name = notify.partition("/")
    if not slash:
        raise SettingsError(f"--notify {notify}: must be TYPE/NAME, such as slack-webhook/alerts")
    try:
        return client.read_block_document_by_name(name=name, block_type_slug=kind).id
    except ObjectNotFound as error:
        raise SettingsError(
            f"--notify {notify}: the Prefect server has no such block. Fix: make it under Blocks in the UI"
        ) from error
