"""The command `corpus`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated

if TYPE_CHECKING:
    from flows.config.corpus import Corpus


@configured_by(
    "flows.config.corpus.Corpus",
    Shortcut("versions", argument=True, metavar="NAME[@VERSION] ..."),
    Shortcut("dataset"),
    Shortcut("tokenizer"),
)
def corpus(config: Corpus, json: AsJson = False) -> None:
    """Publish rows of versions as text for continued pretraining, one row per document.

    Chunks of a document are joined; lines that many documents have are removed; tokens are counted. The same command continues a
    run that was interrupted, and publishes nothing if all rows are published already:
    ./mathmill corpus books web@2026.11.20 --dataset pretraining
    """
    from flows.corpus import check
    from flows.corpus import corpus as flow

    check(config)  # the flow checks again; here an error shows before Prefect is started
    with orchestrated(config.dataset) as run:
        name = run(flow, config)
    from flows.cli.summary import print_published

    print_published(name, json=json)
