"""The vLLM worker: a process in an environment of its own, connected by a pipe. `pipe.py` runs it as
`$MATHMILL_VLLM_PYTHON -P vllm_worker.py MODEL '{"max_model_len": ...}'`.

The dependencies of vLLM conflict with those of Prefect, so nothing of this project is imported here. A frame is four bytes
of length, big-endian, and JSON. Input frames are {"id", "body"} with a chat-completions body; output frames are {"id",
"status", "body"}, the first one {"ready": true}. All waiting requests are passed to vLLM at once and answers are sent as
they are finished, so that no request waits for the slowest of a batch. Needs vLLM >= 0.12.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
from typing import IO, Any


def frames(source: IO[bytes]) -> Any:
    """Yield complete frames until the pipe ends."""
    while len(head := source.read(4)) == 4:
        data = source.read(int.from_bytes(head, "big"))
        yield json.loads(data)


def send(out: IO[bytes], value: dict[str, Any]) -> None:
    """Write one frame."""
    data = json.dumps(value).encode()
    out.write(len(data).to_bytes(4, "big") + data)
    out.flush()


def refused(message: str) -> dict[str, Any]:
    """Return the error body for a request that vLLM refuses, as an OpenAI-compatible server sends it."""
    long = "max_model_len" in message or "maximum model length" in message or "longer than" in message
    code = "context_length_exceeded" if long else "invalid_request_error"
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


class Worker:
    """One vLLM engine, which answers as an OpenAI-compatible server would."""

    def __init__(self, model: str, options: dict[str, Any]) -> None:
        self.model = model
        self.llm = importlib.import_module("vllm").LLM(
            model=model, **{"enable_prefix_caching": True, **options}
        )
        self.engine = self.llm.llm_engine
        self.tokenizer = self.llm.get_tokenizer()
        self.room = self.llm.model_config.max_model_len

    def start(self, number: int, body: dict[str, Any]) -> None:
        """Pass one request to vLLM. Raises ValueError if it cannot be answered."""
        prompt = self.tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        if len(prompt) >= self.room:
            raise ValueError(f"the prompt has {len(prompt)} tokens, max_model_len is {self.room}")
        params = self.sampling(body, self.room - len(prompt))
        self.engine.add_request(str(number), {"prompt_token_ids": list(prompt)}, params)

    def sampling(self, body: dict[str, Any], room: int) -> Any:
        """Return vLLM's sampling parameters of a request; `room` is the most tokens that fit into the context."""
        sampling = importlib.import_module("vllm.sampling_params")
        form = body.get("response_format") or {}
        schema = form.get("json_schema", {}).get("schema")
        return sampling.SamplingParams(
            temperature=body.get("temperature", 1.0),
            top_p=body.get("top_p", 1.0),
            max_tokens=min(body.get("max_tokens", room), room),
            seed=body.get("seed"),
            stop=body.get("stop"),
            structured_outputs=sampling.StructuredOutputsParams(json=schema) if schema else None,
        )

    def finished(self) -> list[tuple[int, dict[str, Any]]]:
        """Run one step of vLLM and return the answers that it completed."""
        done = []
        for output in self.engine.step():
            if not output.finished:
                continue
            first = output.outputs[0]
            usage = (len(output.prompt_token_ids or ()), len(first.token_ids))
            body = {
                "id": f"chatcmpl-{output.request_id}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": self.model,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": first.text},
                        "finish_reason": first.finish_reason,
                    }
                ],
                "usage": {
                    "prompt_tokens": usage[0],
                    "completion_tokens": usage[1],
                    "total_tokens": sum(usage),
                },
            }
            done.append((int(output.request_id.split("-")[0]), body))
        return done


def serve(worker: Worker, requests: queue.Queue[dict[str, Any] | None], out: IO[bytes]) -> None:
    """Take waiting requests, run steps and send answers, until the pipe ends (None)."""
    while True:
        busy = worker.engine.has_unfinished_requests()
        try:
            while True:
                frame = requests.get(block=not busy)
                if frame is None:
                    return
                try:
                    worker.start(frame["id"], frame["body"])
                    busy = True
                except (ValueError, TypeError, KeyError) as error:
                    send(out, {"id": frame["id"], "status": 400, "body": refused(str(error))})
        except queue.Empty:
            pass  # no further request waits: run the next step
        for number, body in worker.finished():
            send(out, {"id": number, "status": 200, "body": body})


def main() -> None:
    # Libraries print to standard output, so the pipe is moved to another descriptor.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = Worker(sys.argv[1], json.loads(sys.argv[2]))
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read() -> None:
        for frame in frames(sys.stdin.buffer):
            requests.put(frame)
        requests.put(None)

    threading.Thread(target=read, daemon=True).start()
    send(out, {"ready": True})
    serve(worker, requests, out)


if __name__ == "__main__":
    main()
