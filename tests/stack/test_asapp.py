"""The ASAPP endpoints over HTTP."""

import pytest

from tests.stack.conftest import Answer, DeployedStack

PATHS = [
    "/mg-genagent/v1/twilio-media-stream-url",
    "/mg-autotranscribe/v1/twilio-media-stream-url",
]


def assert_error(answer: Answer, status: int, message: str) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body["error"].keys() == {"requestId", "code", "message"}
    assert answer.body["error"]["requestId"]
    assert answer.body["error"]["code"] == f"{status}-01"
    assert answer.body["error"]["message"] == message


@pytest.mark.parametrize("path", PATHS)
def test_endpoint_returns_a_media_url(stack: DeployedStack, path: str) -> None:
    answer = stack.asapp(path, stack.credentials())

    assert answer.status == 200
    assert answer.body.keys() == {"streamingUrl"}
    prefix, suffix = stack.description["media_url"].split("{token}")
    assert answer.body["streamingUrl"].startswith(prefix)
    assert answer.body["streamingUrl"].endswith(suffix)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("without", ["asapp-api-id", "asapp-api-secret"])
def test_request_without_credentials_is_refused(
    stack: DeployedStack, path: str, without: str
) -> None:
    headers = stack.credentials()
    del headers[without]

    assert_error(stack.asapp(path, headers), 401, "Unauthorized")


@pytest.mark.parametrize("path", PATHS)
def test_wrong_secret_is_refused(stack: DeployedStack, path: str) -> None:
    headers = stack.credentials() | {"asapp-api-secret": "wrong"}

    assert_error(stack.asapp(path, headers), 401, "Unauthorized")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/mg-genagent/v1/nothing"), ("GET", "/"), ("POST", PATHS[0]), ("DELETE", PATHS[1])],
)
def test_api_gateways_own_refusals_are_as_asapp_documents(
    stack: DeployedStack, method: str, path: str
) -> None:
    assert_error(stack.asapp(path, stack.credentials(), method), 404, "Not Found")
