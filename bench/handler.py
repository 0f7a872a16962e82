"""CPU time of the `media` handler for a frame, compared with the least that could do its work.

For both sides, Kinesis is a server on the loopback interface, in the process that starts the
measurement. As a script this module measures; the settings must be in the environment before the
function is imported.
"""

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any, Final, override

from botocore.session import get_session

from bench.measures import Measure, race
from bench.samples import ROOT, events
from callstream.dialects import DIALECTS

BUDGET: Final = 0.3
_LOOPS: Final = 400
_ANSWER: Final = json.dumps(
    {
        "ShardId": "shardId-000000000000",
        "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
        "EncryptionType": "KMS",
    }
).encode()
_HEADERS: Final = (
    "HTTP/1.1 200 OK\r\n"
    "x-amzn-RequestId: e1b2c3d4-5678-90ab-cdef-1234567890ab\r\n"
    f"x-amz-id-2: {'A' * 76}\r\n"
    "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "Content-Type: application/x-amz-json-1.1\r\n"
    f"Content-Length: {len(_ANSWER)}\r\n\r\n"
).encode()

ENVIRONMENT: Final = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "local",
    # As long as a function's.
    "AWS_SESSION_TOKEN": "local" * 200,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "CALLSTREAM_FRAMES_STREAM": "frames",
    "CALLSTREAM_OVERFLOW_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/overflow",
}
"""The function's settings, and credentials, so that requests are signed."""


def measure() -> list[Measure]:
    """Measure in a separate process."""
    paths = [ROOT, ROOT / "layers" / "callstream", ROOT / "functions" / "media_frame"]
    with _kinesis() as endpoint:
        done = subprocess.run(
            [sys.executable, "-m", "bench.handler"],
            cwd=ROOT,
            env=ENVIRONMENT
            | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "AWS_ENDPOINT_URL": endpoint},
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


class _Kinesis(StreamRequestHandler):
    """Takes every record, with the headers of Kinesis' answers."""

    disable_nagle_algorithm = True
    wbufsize = -1

    @override
    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while line != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                line = self.rfile.readline()
            self.rfile.read(length)
            self.wfile.write(_HEADERS + _ANSWER)
            self.wfile.flush()


@contextmanager
def _kinesis() -> Iterator[str]:
    """Run Kinesis, and give its endpoint."""
    with ThreadingTCPServer(("127.0.0.1", 0), _Kinesis) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


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

    client = get_session().create_client("kinesis")
    results = {}
    for dialect in DIALECTS:
        ours = _handled(app.handler, cycle(events(dialect)))
        floor = _floor(client, cycle(events(dialect)))
        results[dialect] = race(ours, floor, loops=_LOOPS)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    _main()
