"""The live table of models: its figures for engines that have been used."""

from __future__ import annotations

from pathlib import Path

from flows.runner.limits import RunLimits
from flows.runner.resources import Tools
from flows.runner.service_table import table
from flows.settings import Role, Settings
from tasks.llm.request import Request


def test_one_line_per_role_and_one_for_each_of_its_stages(tmp_path: Path) -> None:
    tools = Tools(Settings(home=tmp_path, teacher=Role(price_in=1.0, price_out=2.0), _env_file=None))  # type: ignore[call-arg]
    tools.limits = RunLimits(run="night-1")
    try:
        assert table(tools) == []
        asks = [Request([{"role": "user", "content": f"What is {i} + 1?"}], "embedded", tag=tag)
                for tag in ("solve", "probe") for i in range(3 if tag == "solve" else 1)]  # fmt: skip
        list(tools.engine("teacher").run(asks))
        list(tools.engine("teacher").run(asks))
        every, *stages = table(tools)
        assert (every["stage"], every["calls"], every["from the ledger"]) == ("all", 3, 5)
        assert [(line["stage"], line["calls"]) for line in stages] == [("probe", 0), ("solve", 3)]
        assert sum(line["tokens"] for line in stages) == every["tokens"] > 0
        assert every["p95 s"] >= every["p50 s"] > 0
        # the ledger has the cost of the run too, for a run that was killed
        (line,) = tools.ledger().served("night-1")
        assert (line.tag, line.calls) == ("solve", 3)
        assert line.prompt_tokens + line.completion_tokens == every["tokens"]
    finally:
        tools.close()
