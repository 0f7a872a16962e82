"""ASAPP's webhook, as documented."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from callstream.callbacks.delivery import Delivered, Dropped
from callstream.callbacks.model import decode, encode
from callstream.frames.records import Word
from callstream.tenants.directory import Webhook
from tests.unit.callbacks.scenes import HOOK, Scene, line_callback

WORDS = (Word("Hello", 0, 400, after=","), Word("IEEE", 500, 900, before='"', after='".'))
BOTH = {"text": "Pay with ####.", "unredacted": "Pay with 4111."}


def body_of(**fields: Any) -> Any:
    scene = Scene()
    scene.set_webhook(Webhook(url=HOOK), "asapp")
    assert scene.deliver(line_callback(**fields)) == Delivered(200)
    [(request, _)] = scene.servers.got
    assert (request.method, request.url) == ("POST", HOOK)
    assert request.headers == {"content-type": "application/json"}
    return json.loads(request.body)


def test_line_has_the_documented_body() -> None:
    assert body_of() == {
        "type": "transcript",
        "externalConversationId": "CA0123456789abcdef0123456789abcdef",
        "streamId": "stream-c1",
        "sender": {"externalId": "cust-42", "role": "customer"},
        "autotranscribeResponse": {
            "message": "transcript",
            "start": 0,
            "end": 1840,
            "utterance": [{"text": "Hello, I need help with my bill."}],
        },
    }


@pytest.mark.parametrize(
    ("fields", "utterance"),
    [
        (BOTH, {"text": "Pay with ####.", "unredactedText": "Pay with 4111."}),
        (
            {"text": 'Hello, "IEEE".', "words": WORDS},
            {
                "text": 'Hello, "IEEE".',
                "tokens": [
                    {
                        "content": "Hello",
                        "start": 0,
                        "end": 400,
                        "punctuationAfter": ",",
                        "punctuationBefore": "",
                    },
                    {
                        "content": "IEEE",
                        "start": 500,
                        "end": 900,
                        "punctuationAfter": '".',
                        "punctuationBefore": '"',
                    },
                ],
            },
        ),
    ],
)
def test_utterance_has_both_texts_and_tokens_if_the_line_has_them(
    fields: dict[str, Any], utterance: dict[str, Any]
) -> None:
    assert body_of(**fields)["autotranscribeResponse"]["utterance"] == [utterance]


def test_webhook_gets_its_secret_in_its_header() -> None:
    scene = Scene()
    webhook = Webhook(url=HOOK, secret_header="X-Hook-Secret", secret="s3cret")
    scene.set_webhook(webhook, "asapp")

    assert scene.deliver(line_callback()) == Delivered(200)
    assert scene.servers.got[0][0].headers["x-hook-secret"] == "s3cret"
    assert "s3cret" not in repr(webhook)


def test_only_lines_go_to_the_webhook_and_to_no_other_vendors_webhook() -> None:
    scene = Scene()
    scene.set_webhook(Webhook(url=HOOK), "asapp")
    for event in ("started", "stopped", "failed"):
        other = replace(line_callback(), event=event, transcript=None)
        assert scene.deliver(other) == Dropped("no_url")

    for surface in ("telnyx", "twilio", "signalwire"):
        scene.set_webhook(Webhook(url=HOOK), surface)
        assert scene.deliver(line_callback(surface=surface)) == Dropped("no_url")
    assert not scene.servers.got


def test_line_is_queued_and_decoded_whole_and_its_repr_shows_no_text() -> None:
    callback = line_callback(words=WORDS, **BOTH)

    assert decode(encode(callback)) == callback
    assert "Pay" not in repr(callback)
    assert "Hello" not in repr(callback)


def test_callback_id_follows_from_transcript_and_number() -> None:
    first = line_callback()

    assert line_callback(text="other words").callback_id == first.callback_id
    assert line_callback(number=2).callback_id != first.callback_id
