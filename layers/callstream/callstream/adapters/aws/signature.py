"""AWS's Signature Version 4, of requests without a query. No I/O.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from collections.abc import Mapping
from hashlib import sha256
from hmac import digest
from time import gmtime, strftime
from typing import Final
from urllib.parse import quote

from callstream.adapters.aws.environment import Credentials

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_END: Final = "aws4_request"


class Signer:
    """Signs requests to one service.

    Args:
        service: the name for signatures, which is `execute-api` for API Gateway.
        region: of the service.
        host: as in the header, with the port unless it is the scheme's own.
        credentials: allow the requests.
    """

    def __init__(self, service: str, region: str, host: str, credentials: Credentials) -> None:
        self._service = service
        self._region = region
        self._host = host
        self._credentials = credentials
        # The day, and the key of that day.
        self._key: tuple[str, bytes] = ("", b"")

    def headers(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: float
    ) -> dict[str, str]:
        """The headers of a request, with the signature, which holds for 5 minutes.

        Args:
            method: in capitals.
            path: as it is sent: encoded, without `.`, `..` or empty segments.
            headers: more headers to be signed, by names in small letters; values are ASCII.
            body: the whole body.
            at: the present, in seconds since 1970.
        """
        moment = strftime("%Y%m%dT%H%M%SZ", gmtime(at))
        signed = {"host": self._host, "x-amz-date": moment, **headers}
        if self._credentials.token:
            signed["x-amz-security-token"] = self._credentials.token
        names = sorted(signed)
        listed = ";".join(names)
        request = "\n".join(
            (
                method,
                quote(path, safe="/~"),  # a second time, as for all services but S3
                "",  # the query
                *(f"{name}:{' '.join(signed[name].split())}" for name in names),
                "",
                listed,
                sha256(body).hexdigest(),
            )
        )
        day = moment[:8]
        scope = f"{day}/{self._region}/{self._service}/{_END}"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = digest(self._key_of(day), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={self._credentials.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _key_of(self, day: str) -> bytes:
        known, key = self._key
        if known != day:
            key = f"AWS4{self._credentials.secret_key}".encode()
            for part in (day, self._region, self._service, _END):
                key = digest(key, part.encode(), "sha256")
            self._key = (day, key)  # at once: other threads sign too
        return key
