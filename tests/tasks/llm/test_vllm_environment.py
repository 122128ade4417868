from __future__ import annotations

from pathlib import Path

import pytest

from tasks.llm.endpoint import EndpointError
from tasks.llm.vllm_environment import make


@pytest.mark.soak
def test_a_failure_is_reported_in_one_line(tmp_path: Path) -> None:
    messages: list[str] = []
    with pytest.raises(EndpointError, match=r"pip install .*failed: .*no-such-folder") as failed:
        make(tmp_path / "env", requirement="./no-such-folder/", say=messages.append)
    assert "\n" not in str(failed.value)
    assert messages[0].startswith("making")
    # An environment that exists is completed and not created again; one without vLLM is not mistaken for one with it.
    with pytest.raises(EndpointError, match="import vllm"):
        make(tmp_path / "env", requirement="pip", say=messages.append)  # pip is there: nothing is fetched
    assert [word.split()[0] for word in messages] == ["making", "installing", "installing"]
