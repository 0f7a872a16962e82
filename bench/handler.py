"""CPU time of the `media` handler for a frame, compared with the least that could do its work.

For both sides, Kinesis answers inside botocore, just before a socket would be used. As a script
this module measures; the settings must be in the environment before the function is imported.
"""

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, Final

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.session import get_session

from bench.measures import Measure, race
from bench.samples import ROOT, events
from callstream.dialects import DIALECTS

BUDGET: Final = 1.1
_LOOPS: Final = 400
_ANSWER: Final = json.dumps(
    {
        "ShardId": "shardId-000000000000",
        "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
        "EncryptionType": "KMS",
    }
).encode()

ENVIRONMENT: Final = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "CALLSTREAM_FRAMES_STREAM": "frames",
    "CALLSTREAM_OVERFLOW_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/overflow",
}
"""The function's settings, and credentials, so that requests are signed."""


def measure() -> list[Measure]:
    """Measure in a separate process."""
    paths = [ROOT, ROOT / "layers" / "callstream", ROOT / "functions" / "media_frame"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.handler"],
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return [
        Measure(
            section="handler",
            name=f"media handler, a frame of {dialect}",
            value=ours * 1e6,
            unit="µs CPU",
            against="json.loads + b64decode + put_record",
            floor=floor * 1e6,
            budget=BUDGET,
            digits=1,
        )
        for dialect, (ours, floor) in json.loads(done.stdout).items()
    ]


class _Body:
    """The body as urllib3 would have read it."""

    def stream(self) -> Iterator[bytes]:
        """Yield the whole body."""
        yield _ANSWER


def _answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "0"}
    return AWSResponse(request.url, 200, headers, _Body())  # type: ignore[arg-type]


def _stubbed_client() -> Any:  # noqa: ANN401  # clients have no common type
    client = get_session().create_client("kinesis")
    _stub(client)
    return client


def _stub(client: Any) -> None:  # noqa: ANN401
    client.meta.events.register("before-send.kinesis", _answer)


def _floor(client: Any, events: Iterator[dict[str, Any]]) -> Callable[[], object]:  # noqa: ANN401
    def put() -> None:
        event = next(events)
        message = json.loads(event["body"])
        audio = b64decode(message["media"]["payload"])
        stream_id = event["requestContext"]["authorizer"]["streamId"]
        client.put_record(StreamName="frames", PartitionKey=stream_id, Data=audio)

    return put


def _handled(
    handler: Callable[[dict[str, Any], None], object], events: Iterator[dict[str, Any]]
) -> Callable[[], object]:
    return lambda: handler(next(events), None)


def _main() -> None:
    # The module name of a deployment, in the function's own folder.
    import app  # type: ignore[import-not-found]  # noqa: PLC0415

    # The function makes its client at import; there is no public way to reach it.
    _stub(app._publisher._frames._client)  # noqa: SLF001
    client = _stubbed_client()
    results = {}
    for dialect in DIALECTS:
        ours = _handled(app.handler, cycle(events(dialect)))
        floor = _floor(client, cycle(events(dialect)))
        results[dialect] = race(ours, floor, loops=_LOOPS)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    _main()
