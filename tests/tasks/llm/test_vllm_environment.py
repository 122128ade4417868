from __future__ import annotations

from pathlib import Path

import pytest

from tasks.llm import EndpointError
from tasks.llm.vllm_environment import make


def test_a_failing_installation_says_why_in_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(EndpointError, match=r"pip install .*failed: .*no-such-folder") as failed:
        make(tmp_path / "env", requirement="./no-such-folder/", say=said.append)
    assert "\n" not in str(failed.value)
    assert said[0].startswith("making")
    assert (tmp_path / "env" / "bin" / "python").exists()


def test_an_environment_without_vllm_is_not_taken_for_one(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="import vllm"):
        make(
            tmp_path / "env", requirement="pip", say=lambda _: None
        )  # it is there already: nothing is fetched
