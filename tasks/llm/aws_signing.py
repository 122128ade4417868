"""Signs calls to AWS by Signature Version 4, with botocore: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html.

The credentials are those of AWS's standard chain: environment variables, the shared files, single sign-on, the container or
the instance. They are read again for each call, so that temporary ones are renewed, and never stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tasks.llm.endpoint import Endpoint, EndpointError
from tasks.llm.redaction import Redactor
from tasks.llm.transport import HttpTransport, Response

SERVICE = "bedrock"  # the name that signatures state for Converse


class SignedTransport(HttpTransport):
    """HTTP with signed requests to one base URL. Raises EndpointError where botocore or credentials are missing."""

    def __init__(self, base_url: str, endpoint: Endpoint, *, connect: float, most_bytes: int) -> None:
        # the path is signed as it is sent, so that it is not written in another way on the way
        super().__init__(base_url, connect=connect, most_bytes=most_bytes, as_written=True)
        self._endpoint = endpoint
        self._credentials = _credentials(endpoint)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        # temporary credentials may be renewed by a request
        frozen = await asyncio.to_thread(_frozen, self._credentials, self._endpoint)
        signed = self._signed(frozen, method, str(self._url(path)), headers, body or b"")
        response = await super()._send(method, path, signed, body, seconds)
        if response.status < 400:
            return response
        # a refusal quotes the signed request, and with it the session token
        secrets = [text for text in (frozen.access_key, frozen.secret_key, frozen.token) if text]
        return Response(response.status, response.headers, Redactor(secrets).error(response.body))

    def _signed(
        self, frozen: Any, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """Return the headers with the date and the signature of the request."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method, url, headers=dict(headers), data=body)
        SigV4Auth(frozen, SERVICE, self._endpoint.region).add_auth(request)
        return dict(request.headers.items())


def _credentials(endpoint: Endpoint) -> Any:
    try:
        from botocore.session import Session
    except ImportError as error:
        raise EndpointError(
            f"{endpoint.setting('REGION')} asks for signed calls, and botocore is not installed. "
            "Fix: pip install -c constraints.txt '.[bedrock]', or use an API key of Bedrock"
        ) from error
    credentials = Session().get_credentials()
    if credentials is None:
        raise EndpointError(
            f"{endpoint.setting('REGION')} asks for signed calls, and there are no AWS credentials. "
            "Fix: run `aws configure`, set AWS_PROFILE, or use an API key of Bedrock"
        )
    return credentials


def _frozen(credentials: Any, endpoint: Endpoint) -> Any:
    from botocore.exceptions import BotoCoreError

    try:
        return credentials.get_frozen_credentials()
    except BotoCoreError as error:
        raise EndpointError(
            f"{endpoint.role} endpoint: the AWS credentials cannot be renewed ({endpoint.redact(str(error))}). Fix: log in to AWS again"
        ) from error
