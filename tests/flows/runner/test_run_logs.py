"""What is logged about failed runs, on the terminal of `up` and in the log of the run."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.logging.handlers import PrefectConsoleHandler

from flows.config.loading import ConfigError
from flows.runner.run_logs import ENGINE, FLOWS, RUNS, install

FLOW_RUN, TASK_RUN = RUNS


@dataclass
class Logged:
    terminal: io.StringIO
    run: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        return self.terminal.getvalue().splitlines()


class _LogOfTheRun(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    """The handlers as Prefect arranges them: that of the terminal at the root, that of the run's log at the loggers of runs."""
    result = Logged(io.StringIO())
    console = PrefectConsoleHandler(stream=result.terminal)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [console])
    handler = _LogOfTheRun(result.run)
    for name in RUNS:
        monkeypatch.setattr(logging.getLogger(name), "handlers", [handler])
    for name in (*RUNS, ENGINE, FLOWS):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)
    monkeypatch.setattr(logging.getLogger("prefect"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("prefect"), "propagate", True)
    install()
    install()
    return result


def fail(error: Exception, *, in_task: bool = False) -> None:
    """Log as Prefect 3.8 does when an exception ends a flow run in a process of its own."""
    try:
        raise error
    except Exception as caught:
        if in_task:
            logging.getLogger(TASK_RUN).error(f"Task run failed with exception: {caught!r}", exc_info=True)
        run = logging.getLogger(FLOW_RUN)
        run.exception("Encountered exception during execution: %r", caught)
        run.info(f"Finished in state Failed('Flow run encountered an exception: {caught}')")
        run.error("Engine execution exited with unexpected exception", exc_info=True)
        logging.getLogger(ENGINE).error(
            "Execution of flow run 'x' exited with unexpected exception", exc_info=True
        )


def test_an_error_for_people_is_one_line_everywhere(logged: Logged) -> None:
    fail(ConfigError("setting a: 50 % is too\n much. Fix: lower it"))
    expected = ["setting a: 50 % is too much. Fix: lower it", "Finished in state Failed"]
    assert logged.lines() == expected
    assert logged.run == expected


def test_several_errors_for_people_are_a_line_each(logged: Logged) -> None:
    fail(ConfigError("one. Fix: it", "two. Fix: it"))
    assert logged.lines()[:2] == ["one. Fix: it", "two. Fix: it"]


def test_a_defect_has_its_traceback_in_the_log_of_the_run_alone_and_once(logged: Logged) -> None:
    fail(KeyError("x"))
    assert logged.lines() == [
        "KeyError: 'x' (the traceback is in the log of this run)",
        "Finished in state Failed",
    ]
    assert sum("Traceback (most recent call last)" in text for text in logged.run) == 1
    assert "raise error" in logged.run[0]


def test_a_defect_in_a_task_run_is_named_by_both_runs(logged: Logged) -> None:
    fail(KeyError("x"), in_task=True)
    assert logged.lines() == [
        "KeyError: 'x' (the traceback is in the log of this run)",
        "KeyError: 'x'",
        "Finished in state Failed",
    ]
    assert sum("Traceback (most recent call last)" in text for text in logged.run) == 1


def test_parameters_that_do_not_fit_are_a_line_each(logged: Logged) -> None:
    error = ParameterTypeError(
        "Flow run received invalid parameters:\n - config.generate.methods: Value error, unknown method 'x'"
    )
    logging.getLogger(FLOWS).error("Parameter validation failed for flow 'nightly': []\nParameters: {}")
    logging.getLogger(ENGINE).error("%s %s", "Validation of flow parameters failed with error:", error)
    logging.getLogger(FLOW_RUN).error("Engine execution exited with unexpected exception", exc_info=error)
    assert logged.lines() == ["setting generate.methods: unknown method 'x'. Fix: correct it"]


def test_other_records_are_as_they_were(logged: Logged) -> None:
    logging.getLogger(FLOW_RUN).info("Finished in state %s", "Completed()")
    logging.getLogger(FLOWS).warning("a warning")
    assert logged.lines() == ["Finished in state Completed()", "a warning"]
