"""How a failed run is logged: an error for people is one line, and a defect has its traceback in the log of the run alone.

Prefect logs the exception that fails a task run or a flow run with its traceback, and logs it again when the process of the run
ends, on the terminal of the process that serves the flows and in the log of the run, which its UI shows.
"""

from __future__ import annotations

import logging

from prefect.exceptions import ParameterTypeError
from prefect.logging.handlers import PrefectConsoleHandler

from flows.runner.plain_errors import in_lines
from storage.visible import visible

RUNS = ("prefect.flow_runs", "prefect.task_runs")  # loggers whose records are in the log of the run too
ENGINE = "prefect.engine"  # logs to the terminal alone, what the log of the run has too
FLOWS = "prefect.flows"  # logs to the terminal alone, parameters that do not fit among others
# beginnings of messages of Prefect: about the end of a failed run, and about parameters, each of which states the error once more
FINISHED, UNFIT = "Finished in state Failed", "Parameter validation failed"
_LOGGED = "_mathmill_logged_by"  # attribute of an exception: the loggers that have logged it


def install() -> None:
    """Shorten what this process logs about failed runs. Nothing changes where it was called before."""
    for name in (*RUNS, ENGINE, FLOWS):
        logger = logging.getLogger(name)
        if not any(isinstance(one, OneLine) for one in logger.filters):
            logger.addFilter(OneLine())
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler) and WithoutTraceback not in map(type, handler.filters):
            handler.addFilter(WithoutTraceback())


class OneLine(logging.Filter):
    """Leave of an error for people its message, drop what states an exception again, and keep the traceback of a defect."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged, shortened."""
        error = _error_of(record)
        if error is None:
            if str(record.msg).startswith(FINISHED):
                record.msg, record.args = FINISHED, ()
            return not str(record.msg).startswith(UNFIT)
        loggers = getattr(error, _LOGGED, ())
        if record.name in loggers or (record.name == ENGINE and (loggers or not record.exc_info)):
            return False
        setattr(error, _LOGGED, (*loggers, record.name))
        if lines := _lines_of(error):
            record.msg, record.args = "\n".join(map(visible, lines)), ()
        elif loggers:  # a task run has logged the traceback
            record.msg, record.args = _named(error), ()
        else:
            return True
        record.exc_info = record.exc_text = None
        return True


class WithoutTraceback(logging.Filter):
    """Replace on the terminal the traceback of a defect that failed a run by its message; the log of the run has the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every record is logged. Handlers of the run's log come first, so that they have formatted the traceback."""
        error = _error_of(record)
        if error is not None and record.exc_info and record.name in RUNS:
            record.msg, record.args = f"{_named(error)} (the traceback is in the log of this run)", ()
            record.exc_info = record.exc_text = None
        return True


def _error_of(record: logging.LogRecord) -> BaseException | None:
    """Return the exception that a record is about. Prefect logs parameters that do not fit without a traceback at first."""
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    args = record.args if isinstance(record.args, tuple) else ()
    return next((one for one in args if isinstance(one, ParameterTypeError)), None)


def _lines_of(error: BaseException) -> list[str]:
    if isinstance(error, ParameterTypeError):
        _, *unfit = str(error).split("\n - ")
        return [
            f"setting {' '.join(one.removeprefix('config.').replace('Value error, ', '').split())}. Fix: correct it"
            for one in unfit
        ]
    return in_lines(error)


def _named(error: BaseException) -> str:
    return visible(f"{type(error).__name__}: {' '.join(str(error).split())}")
