"""NeMo Gym: a resources server with a method `verify`, its configuration, and JSON lines with `responses_create_params` and the fields that `verify` reads
(documentation of NeMo Gym, "Creating a Resource Server" and "Task Verification").

A response without a judgement has `mask_sample` and `failure_kind`, as the framework's own servers set them, and `failure_reason` in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.environments.task import TEST, EnvironmentTask, with_columns

data = "resources_servers/mathmill/data/train.jsonl"
usage = """
Copy `resources_servers/mathmill` into a checkout of NeMo Gym, `pip install .` the verifier into its environment, and start

```text
ng_run "+config_paths=[resources_servers/mathmill/configs/mathmill.yaml,responses_api_models/vllm_model/configs/vllm_model.yaml]"
```

A response without a judgement has `mask_sample: true` and a `failure_kind` ("infrastructure" or "unknown"), so that trainers leave it out.
"""
_APP = '''"""The resources server of NeMo Gym. Verifier {digest}."""

import asyncio
from typing import Optional

import mathmill_verifier
from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseRunRequest,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)

if mathmill_verifier.DIGEST != "{digest}":
    raise RuntimeError("another verifier is installed. Fix: pip install the folder of this environment")


class MathmillConfig(BaseResourcesServerConfig):
    pass


class MathmillRunRequest(BaseRunRequest):
    question: str
    expected_answer: str
    language: str = "en"


class MathmillVerifyRequest(MathmillRunRequest, BaseVerifyRequest):
    pass


class MathmillVerifyResponse(BaseVerifyResponse):
    expected_answer: str
    mask_sample: bool = False
    failure_kind: Optional[str] = None
    failure_reason: Optional[str] = None


class MathmillResourcesServer(SimpleResourcesServer):
    config: MathmillConfig

    async def verify(self, body: MathmillVerifyRequest) -> MathmillVerifyResponse:
        text = "".join(
            part.text
            for item in body.response.output
            if item.type == "message"
            for part in item.content
            if part.type == "output_text"
        )
        (worth,) = await asyncio.to_thread(
            mathmill_verifier.worths, [body.question], [text], [body.expected_answer], [body.language]
        )
        judged = worth in ("right", "wrong")
        given = body.model_dump()
        given |= {{
            "reward": float(worth == "right"),
            "mask_sample": not judged,
            "failure_kind": None if judged else worth,
            "failure_reason": None if judged else f"no judgement of the answer: {{worth}}",
        }}
        return MathmillVerifyResponse(**given)


if __name__ == "__main__":
    MathmillResourcesServer.run_webserver()
'''
_CONFIG = """mathmill:
  resources_servers:
    mathmill:
      entrypoint: app.py
      domain: math
      verified: false
      description: Questions of mathmill with its verifier
mathmill_simple_agent:
  responses_api_agents:
    simple_agent:
      entrypoint: app.py
      resources_server:
        type: resources_servers
        name: mathmill
      model_server:
        type: responses_api_models
        name: policy_model
      datasets:
      - name: train
        type: train
        jsonl_fpath: resources_servers/mathmill/data/train.jsonl
"""
_VALIDATION = """      - name: test
        type: validation
        jsonl_fpath: resources_servers/mathmill/data/test.jsonl
"""


def record(task: EnvironmentTask, version: str) -> dict[str, Any]:
    fields = {
        "responses_create_params": {"input": list(task.messages)},
        "question": task.question,
        "expected_answer": task.answer,
        "language": task.language,
        "id": task.id,
    }
    return with_columns(fields, task)


def files(digest: str, splits: Sequence[str]) -> dict[str, str]:
    folder = "resources_servers/mathmill"
    config = _CONFIG + _VALIDATION if TEST in splits else _CONFIG
    return {
        f"{folder}/app.py": _APP.format(digest=digest),
        f"{folder}/configs/mathmill.yaml": config,
        f"{folder}/requirements.txt": "# pip install the folder of the verifier (pyproject.toml) into this server's environment\n",
    }
