"""Runs an SQL query in a child process with a timeout and a memory limit.

DuckDB interrupts a query at the timeout and enforces a memory limit of its own. Both have gaps: aggregates of strings are
not counted, and results are converted to Python values. Therefore the operating system limits the memory of the process too,
and the process is killed if it does not end in time.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storage.errors import StorageError, in_one_line
from storage.sizes import bytes_of

if TYPE_CHECKING:
    import duckdb

ROWS_SHOWN = 100
_WIDTH = 200  # characters per line of the table
_REFUSED, _LATE = 3, 4  # exit codes of the child
_GRACE_S = 5.0  # between the interrupt and the end of the child process
_START_S = 60.0  # to import DuckDB and open the tables, on a busy machine
_UNCOUNTED = 256 << 20  # bytes in addition to `memory`: thread stacks, buffers of pyarrow, Python
_COUNTED_SHARE = (
    0.8  # share of `memory` that DuckDB may use, so that its own error comes first for memory that it counts
)


def run_query(
    root: str, query: str, *, seconds: float = 60.0, memory: str = "2GB", as_json: bool = False
) -> str:
    """Return the result of a query over the store at `root`: a table of at most ROWS_SHOWN rows, or all rows as JSON.

    Raises:
        StorageError: the query is invalid, takes longer than `seconds`, or needs more than `memory`.
    """
    size = bytes_of("the memory of a query", memory)
    if not 0 < seconds < threading.TIMEOUT_MAX / 2:
        raise StorageError(f"a query cannot have {seconds:g} seconds. Fix: give a number above 0, such as 60")
    request = {"root": root, "query": query, "seconds": seconds, "memory": size, "json": as_json}
    # the memory limit is for memory in use: these keep glibc and pyarrow from reserving more
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
    with tempfile.TemporaryFile() as answer:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "storage.query"],
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            child.communicate(json.dumps(request).encode(), timeout=_START_S + seconds + 2 * _GRACE_S)
        except subprocess.TimeoutExpired:
            raise _late(seconds) from None
        finally:
            child.kill()
            child.wait()
        answer.seek(0)
        text = answer.read().decode("utf-8", "replace")
    if child.returncode == 0:
        return text
    if child.returncode == _REFUSED:
        raise StorageError(text)
    if child.returncode == _LATE:
        raise _late(seconds)
    raise _too_large(memory, _how_ended(child.returncode))


def _late(seconds: float) -> StorageError:
    return StorageError(
        f"the query: not answered within {seconds:g} s. Fix: ask for less, or set --seconds or MATHMILL_SQL_SECONDS higher"
    )


def _too_large(memory: str, how: str) -> StorageError:
    return StorageError(
        f"the query: it takes more than {memory} of memory ({how}). "
        "Fix: ask for less, or set --memory or MATHMILL_SQL_MEMORY higher"
    )


def _how_ended(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was ended by signal {-code}"


def _answer(request: Mapping[str, Any]) -> str:
    """Run the query in the child process, under its limits, and return the result as text. Raises StorageError."""
    from storage.datasets.store import Store
    from storage.sql import connect

    store, size = Store(request["root"]), request["memory"]
    with connect(store, memory=f"{size * _COUNTED_SHARE / 1e6:.1f}MB") as connection:
        _bound(size)
        _end_after(request["seconds"], connection)
        return answer_on(connection, store.datasets(), request)


def answer_on(
    connection: duckdb.DuckDBPyConnection, datasets: Sequence[str], request: Mapping[str, Any]
) -> str:
    """Return the result of `request["query"]` on `connection` as text. Errors of DuckDB become StorageError."""
    import duckdb

    query, memory = request["query"], f"{request['memory'] / 1e6:.0f}MB"
    try:
        return _one_result(connection, query, as_json=request["json"])
    except duckdb.InterruptException as error:
        raise _late(request["seconds"]) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise _too_large(memory, in_one_line(error)) from error
    except (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException) as error:
        raise StorageError(f"the query: {_first_line(error)}. {_fix(query, datasets)}") from error
    except duckdb.Error as error:
        if "bad allocation" in str(error) or "bad_alloc" in str(error):
            raise _too_large(memory, "an allocation failed") from error
        raise StorageError(f"the query: {_first_line(error)}. Fix: change the query") from error


def _one_result(connection: duckdb.DuckDBPyConnection, query: str, *, as_json: bool) -> str:
    import duckdb

    statements = connection.extract_statements(query)
    count = len(statements)
    if count != 1:
        number = "there is none" if count == 0 else f"there are {count} of them"
        raise StorageError(
            f"the query: one statement is run, {number}. Fix: ./mathmill sql 'SELECT count(*) FROM rows'"
        )
    kinds = duckdb.StatementType
    asks = statements[0].type in (kinds.SELECT, kinds.EXPLAIN, kinds.PRAGMA, kinds.CALL)
    answer = connection.sql(query) if asks else None
    if answer is None:
        raise StorageError("the query: it returns no rows. Fix: use SELECT; the tables cannot be changed")
    if as_json:
        names = answer.columns
        rows = [dict(zip(names, map(_plain, record), strict=True)) for record in answer.fetchall()]
        return json.dumps(rows, indent=2, ensure_ascii=False)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        answer.show(max_rows=ROWS_SHOWN, max_width=_WIDTH)
    return shown.getvalue()


def _fix(query: str, datasets: Sequence[str]) -> str:
    for name in datasets:
        bare = re.search(rf'(?<![\w"@.-]){re.escape(name)}(@[\w.-]+)?(?!["\w])', query)
        if bare and not name.isidentifier():
            return f'Fix: put the name in double quotes: "{bare[0]}", as in ./mathmill sql \'SELECT * FROM "{bare[0]}"\''
    return "Fix: tables are rows, rejected, and each dataset in double quotes (./mathmill datasets)"


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return in_one_line(ValueError(lines[0] if lines else type(error).__name__)).rstrip(".!")


def _plain(value: Any) -> Any:
    """Convert a value of DuckDB for JSON. Infinities and NaN become null, types that JSON lacks become text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return str(value)


def _bound(memory: int) -> None:
    """Limit what this process may allocate from now on to `memory` bytes, by a limit of the operating system."""
    import resource

    if sys.platform != "linux":  # elsewhere the limit does not hold for memory that is mapped
        return
    with open("/proc/self/status", encoding="ascii") as status:
        used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + memory + _UNCOUNTED,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_after(seconds: float, connection: duckdb.DuckDBPyConnection) -> None:
    """Interrupt the query after `seconds`, and end the process if it still runs after _GRACE_S more."""

    def end() -> None:
        connection.interrupt()
        last = threading.Timer(_GRACE_S, os._exit, (_LATE,))
        last.daemon = True
        last.start()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def main() -> None:
    """Run the child process: read the request from standard input, write the result or the error to standard output."""
    request, out = json.loads(sys.stdin.buffer.read()), os.dup(1)
    os.dup2(2, 1)  # so that output of libraries does not mix with the result
    code = 0
    try:
        text = _answer(request)
    except StorageError as error:
        text, code = str(error), _REFUSED
    except MemoryError as error:
        text, code = str(_too_large(f"{request['memory'] / 1e6:.0f}MB", in_one_line(error))), _REFUSED
    with open(out, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
    os._exit(code)  # destructors could exceed the limits


if __name__ == "__main__":
    main()
