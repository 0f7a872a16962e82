"""The deployment that the operator's commands are tested on."""

import json
from collections.abc import Mapping
from typing import Any

import boto3

from callstream.tenants.directory import SURFACES

STACK = "callstream"
PEPPER = "only-for-tests-of-the-operator"
SECRETS = {
    "SigningKeys": json.dumps({"initial": "only-for-tests-of-the-operator-" * 2}),
    "CredentialPepper": PEPPER,
    "CallbackMaster": "master-of-the-tests",
}
TWILIO_PREFIX = f"{STACK}/twilio/"
DIALOGFLOW_PREFIX = f"{STACK}/dialogflow/"
# In the form of Twilio's auth tokens.
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
DEFAULT_LIMITS = {surface: {"per_second": 100, "per_day": None} for surface in SURFACES}
URL = "https://hooks.example.com/callstream"
AGENT = "wss://agent.example.com/"


def store_tenant(outputs: Mapping[str, str], tenant: dict[str, Any]) -> None:
    """Put a tenant into the table unchecked."""
    key = {"pk": f"TENANT#{tenant['tenant_id']}", "sk": "TENANT"}
    boto3.resource("dynamodb").Table(outputs["DirectoryTableName"]).put_item(Item=key | tenant)
