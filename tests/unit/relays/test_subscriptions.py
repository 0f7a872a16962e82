"""The message by which a run subscribes to a stream, and its answer."""

from callstream.identity import RelayIdentity
from callstream.relays.subscriptions import Subscriber, SubscribeRequest, confirmed_stream

RELAY = RelayIdentity("acme", "v3:a/b+c", "r1")
REQUEST = SubscribeRequest.of("s1", RELAY, "run-1")


def test_a_subscribe_request_is_read_as_it_was_written() -> None:
    text = REQUEST.encode()

    assert text == "subscribe=s1&tenant_id=acme&call_id=v3%3Aa%2Fb%2Bc&relay_id=r1&run_id=run-1"
    assert SubscribeRequest.decode(text) == REQUEST
    assert REQUEST.subscriber("c1") == Subscriber("c1", RELAY, "run-1")


def test_other_messages_are_not_subscribe_requests() -> None:
    assert SubscribeRequest.decode("") is None
    assert SubscribeRequest.decode('{"event": "noise"}') is None


def test_a_confirmation_names_the_stream() -> None:
    assert REQUEST.confirmation() == "subscribed=s1"
    assert confirmed_stream(REQUEST.confirmation()) == "s1"
    assert confirmed_stream("AAAA") is None
