"""The flow `promote`: give a version a tag behind its gates, and wait for reviewers where the gate `review` needs them."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run

from flows.config.promote import Promote
from flows.runner.events import PROMOTED, alarm, on_failure
from flows.runner.gates import promote as promote_version
from flows.runner.gates import promotion_gates
from flows.runner.page_links import page_address, page_link, version_path
from flows.settings import Settings, load_settings
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.review.report import progress_of
from tasks.review.session import WAITING, Review

POLL_S = 5  # between two looks at whether the run is resumed


class ReviewDone(RunInput):
    """The form with which a paused promotion is resumed. `mathmill review` resumes it by itself when the queue is done."""

    by_judgements_so_far: bool = False


@flow(
    name="promote",
    flow_run_name="{config.version} as {config.tag}",
    description="A version gets a tag if it passes the gates of the tag; the run pauses for reviewers where a gate needs them.",
    on_failure=[on_failure],
)
def promote(config: Promote = Promote()) -> str:
    """Wait for the queue of reviewers if the tag's gates ask for it, check the gates, and move the tag.

    Returns the name of the version. Raises GateFailed, which names each gate that fails, and FlowPauseTimeout if the reviewers
    took longer than `wait_hours`.
    """
    settings = load_settings()
    store, home = Store(settings.tables), settings.home.absolute()
    version = store.resolve(config.version)
    gates = promotion_gates(home).get(config.tag)
    logger = get_run_logger()
    finished = gates is None or gates.review is None or not config.wait_hours
    pauses = 0
    while not finished:
        review = Review.open(store, version)
        if review.progress().done:
            review.keep_estimate()
            break
        words = progress_of(review.progress())
        address = page_address(settings, version_path(version, "review"))
        logger.info(
            "%s: %s. Fix: ./mathmill review %s%s",
            version,
            words,
            version,
            f", or {address}" if address else "",
        )
        store.mark(version, WAITING, {"flow_run": str(flow_run.id), "tag": config.tag})
        reply = pause_flow_run(
            wait_for_input=ReviewDone.with_initial_data(
                description=f"`{version}` waits for its reviewers: {words}.\n\n{_where(settings, version)}; "
                "this run continues when the queue is done. To promote it by the judgements so far, tick the box."
            ),
            timeout=max(1, round(config.wait_hours * 3600)),
            poll_interval=POLL_S,
            key=f"review-{pauses}",
        )
        pauses += 1
        finished = reply is not None and reply.by_judgements_so_far
    promote_version(store, version, config.tag, home, whole_queue=not (pauses and finished))
    alarm(
        PROMOTED,
        f"dataset.{version.dataset}",
        f"{version.dataset}@{config.tag} is {version}",
        version=str(version),
        tag=config.tag,
    )
    return str(version)


def _where(settings: Settings, version: Version) -> str:
    """Return where a person judges the rows of the version, as Markdown."""
    link = page_link(settings, version_path(version, "review"), "Judge its rows in the page")
    return (
        f"{link}, or by `./mathmill review {version}`"
        if link
        else f"Judge its rows by `./mathmill review {version}`"
    )
