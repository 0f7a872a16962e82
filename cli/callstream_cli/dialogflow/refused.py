"""Refusals of the service, as gRPC has them."""

import grpc


class Refused(Exception):
    """The service ends a call with a status other than OK.

    Args:
        code: a `grpc.StatusCode`.
        details: the text beside the status.
    """

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


def invalid(details: str) -> Refused:
    """The request breaks a rule."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, details)


def out_of_range(details: str) -> Refused:
    """A stream has gone past a limit."""
    return Refused(grpc.StatusCode.OUT_OF_RANGE, details)


def missing(name: str) -> Refused:
    """Nothing has this name."""
    return Refused(grpc.StatusCode.NOT_FOUND, f"{name} does not exist")


class Gone(Exception):
    """The client has given up the call, or the server is being stopped."""
