"""The words of Telnyx's Dialogflow connections, a part of Telnyx's document."""

from typing import Final

from callstream import errors
from callstream.surfaces import telnyx_dialogflow
from callstream_cli.openapi.document import Described, Failure, Parameter, rejected

_ID: Final = "1714376719458109299"
_BODY: Final = {
    "service_account": {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n",
        "client_email": "dialogflow@my-project.iam.gserviceaccount.com",
    },
    "dialogflow_api": "cx",
    "conversation_profile_id": "a-VMHLWzTmKjiJw5S6O0-w",
    "location": "global",
    "environment": "development",
}
_ANSWER: Final = {
    "data": {
        "record_type": "dialogflow_connections",
        "connection_id": _ID,
        "conversation_profile_id": "a-VMHLWzTmKjiJw5S6O0-w",
        "environment": "development",
        "service_account": "****",
    }
}

OPERATIONS: Final = [
    Described(
        telnyx_dialogflow.CREATE,
        "Replaces a connection that is there. The key is checked, kept in a secret and never shown "
        "again. `cx` needs `conversation_profile_id` and `location`.",
        body=_BODY,
        answer=_ANSWER,
    ),
    Described(
        telnyx_dialogflow.GET,
        "The key is masked. `dialogflow_api` and `location` are not shown.",
        answer=_ANSWER,
    ),
    Described(
        telnyx_dialogflow.UPDATE,
        "Replaces all of the connection: what is left out has its default again. Dialogues from "
        "then on use it.",
        body=_BODY,
        answer=_ANSWER,
    ),
    Described(
        telnyx_dialogflow.DELETE,
        "Deletes the connection and its key for good. After a 503, repeat the request.",
    ),
]
PARAMETERS: Final = {
    "connection_id": Parameter(
        "Your id of the connection, at Telnyx that of the Call Control application: 1 to 128 "
        "letters, digits and `_.:@+-`",
        _ID,
    )
}
FAILURES: Final = [
    Failure(errors.NotFound(), "there is no such connection, or no such path"),
    rejected(telnyx_dialogflow.CREATE, {}, "`service_account` is missing"),
    rejected(
        telnyx_dialogflow.CREATE,
        _BODY | {"location": "example.com/"},
        "a key that cannot be read, and a name that Google cannot know",
    ),
    rejected(
        telnyx_dialogflow.CREATE,
        {"service_account": {"type": "external_account"}},
        "the credentials are not a service account's key",
    ),
    Failure(errors.RateLimited(1000, 1), "the tenant has changed connections 1,000 times today"),
    Failure(telnyx_dialogflow.TOO_MANY, "the tenant has as many connections as it may have"),
]
WORDS: Final = {
    "DialogflowConnection": {
        "service_account": "Google's key file of a service account, or a text with its JSON",
        "dialogflow_api": "Which Dialogflow: ES or CX",
        "conversation_profile_id": "The conversation profile; required for `cx`",
        "location": "The agent's region; required for `cx`, otherwise by default `global`",
        "environment": "The agent's environment; by default its draft",
    },
    "ServiceAccount": {
        "type": "The kind of credentials: no others are taken",
        "project_id": "The agent's project",
        "private_key_id": "The key's id",
        "private_key": "The RSA key in PEM, of 2048 to 4096 bits",
        "client_email": "The service account's name",
        "universe_domain": "The cloud: no others are taken",
    },
    "DialogflowConnectionAnswer": {"data": "The connection"},
    "StoredConnection": {
        "record_type": "Always the same",
        "connection_id": "The connection's id",
        "conversation_profile_id": "The conversation profile, if there is one",
        "environment": "The environment, if one was given",
        "service_account": "Always the same: keys are not shown",
    },
}
