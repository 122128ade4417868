"""Signed calls to Bedrock: the fake by a published signature and by boto3, then the engine against the fake."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import SecretStr, ValidationError

from flows.settings import Role, Settings
from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tests.tasks.llm.providers.bedrock_api import (
    PROFILE,
    AwsKey,
    BedrockApi,
    canonical_request,
    signature,
)
from tests.tasks.llm.providers.fakes import serving
from tests.tasks.llm.providers.test_runs import QUICK

PLAIN = AwsKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
TEMPORARY = replace(PLAIN, id="ASIAIOSFODNN7EXAMPLE", token="FwoGZXIvYXdzEBYaDKVn+9821/abcdef==")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave the standard chain without credentials, whatever this machine has."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def use(monkeypatch: pytest.MonkeyPatch, key: AwsKey) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret)
    if key.token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", key.token)


def endpoint(root: str, model: str = "claude-1", **more: Any) -> Endpoint:
    return Endpoint("teacher", model, [root], api="bedrock", **{"region": "us-east-1"} | more)


def asked(count: int, model: str = "claude-1") -> list[Request]:
    return [
        Request([{"role": "user", "content": f"问题 {number}?"}], model, tag="solve")
        for number in range(count)
    ]


def test_the_fake_computes_the_published_signature() -> None:
    """The request `get-vanilla` of AWS's test suite for Signature Version 4."""
    key = AwsKey(
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region="us-east-1", service="service"
    )
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    canonical = canonical_request("GET", "/", "", headers, "host;x-amz-date", b"")
    published = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    assert signature(key, "20150830T123600Z", canonical) == published


@pytest.mark.parametrize("key", [PLAIN, TEMPORARY])
@pytest.mark.parametrize("model", ["claude-1", PROFILE])
def test_the_client_library_signs_as_the_fake_expects(key: AwsKey, model: str) -> None:
    with serving(BedrockApi(signed_with=key).app) as root:
        for secret, fine in ((key.secret, True), ("another", False)):
            library = boto3.client(
                "bedrock-runtime",
                region_name="us-east-1",
                endpoint_url=root,
                aws_access_key_id=key.id,
                aws_secret_access_key=secret,
                aws_session_token=key.token or None,
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )
            turns = [{"role": "user", "content": [{"text": "为什么?"}]}]
            call = {"modelId": model, "messages": turns, "inferenceConfig": {"maxTokens": 500}}
            if fine:
                assert library.converse(**call)["stopReason"] == "end_turn"
            else:
                with pytest.raises(ClientError, match="does not match"):
                    library.converse(**call)


@pytest.mark.parametrize("key", [PLAIN, TEMPORARY])
@pytest.mark.parametrize("model", ["claude-1", PROFILE])
def test_calls_are_signed_with_the_credentials_of_the_machine(
    key: AwsKey, model: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, key)
    api = BedrockApi(signed_with=key)
    with serving(api.app) as root:
        end = endpoint(root, model, headers={"X-Team": "number  theory"})
        with Engine(end, ledger, QUICK) as engine:
            engine.check()
            done = list(engine.run(asked(20, model)))
    assert [item.text for item in done] == [f"answer to 问题 {number}?" for number in range(20)]
    assert set(api.tokens) == {key.token}


def test_credentials_of_a_profile_are_found(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = ["[factory]", f"aws_access_key_id={PLAIN.id}", f"aws_secret_access_key={PLAIN.secret}"]
    (tmp_path / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_PROFILE", "factory")
    with serving(BedrockApi(signed_with=PLAIN).app) as root, Engine(endpoint(root), ledger, QUICK) as engine:
        assert next(engine.run(asked(1))).text == "answer to 问题 0?"


def test_a_wrong_secret_stops_the_run_and_is_in_no_message(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, replace(TEMPORARY, secret="wrong-" + TEMPORARY.secret))
    with (
        serving(BedrockApi(signed_with=TEMPORARY).app) as root,
        Engine(endpoint(root), ledger, QUICK) as engine,
        pytest.raises(EndpointError, match=r"does not match.*Fix: use AWS credentials.*MATHMILL_TEACHER__REGION") as stopped,
    ):  # fmt: skip
        list(engine.run(asked(3)))
    for secret in (TEMPORARY.token, TEMPORARY.id, TEMPORARY.secret):
        assert secret not in str(stopped.value)
    assert "\n" not in str(stopped.value)
    stored = b"".join(call.call.raw for call in ledger.newest("teacher", "claude-1", 100))
    assert TEMPORARY.token.encode() not in stored


def test_without_credentials_or_botocore_the_fix_is_named(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EndpointError, match=r"MATHMILL_TEACHER__REGION .* no AWS credentials\. Fix: "):
        Engine(endpoint("http://127.0.0.1:9"), ledger, QUICK).check()
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(EndpointError, match=r"botocore is not installed\. Fix: pip install"):
        Engine(endpoint("http://127.0.0.1:9"), ledger, QUICK).check()


def test_a_region_goes_with_bedrock_and_without_a_key() -> None:
    with pytest.raises(
        EndpointError, match=r"MATHMILL_TEACHER__REGION .*Fix: set MATHMILL_TEACHER__API=bedrock"
    ):
        Endpoint("teacher", "m", ["http://h/v1"], region="us-east-1")
    with pytest.raises(EndpointError, match=r"MATHMILL_TEACHER__API_KEY\. Fix: leave one out"):
        endpoint("http://h", api_key=SecretStr("k"))
    role = Role(model="m", api="bedrock", base_url=("http://h",), region="eu-west-1")
    assert Settings(_env_file=None, teacher=role).endpoint("teacher").region == "eu-west-1"
    with pytest.raises(ValidationError):
        Role(model="m", region=7)  # type: ignore[arg-type]
