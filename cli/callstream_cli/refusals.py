"""The failures of AWS and of stored data, in words for the person who typed the command."""

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from pydantic import ValidationError

from callstream.errors import Unavailable, UnreadableItem


def in_words(error: Exception) -> str | None:
    """The error in one line, without secrets; None if it is no such failure but a defect."""
    match error:
        case NoCredentialsError():
            text = "no AWS credentials found: set AWS_PROFILE, or sign in with the AWS CLI"
        case NoRegionError():
            text = "no AWS region given: set AWS_DEFAULT_REGION"
        case ClientError(response=response, operation_name=operation):
            details = response["Error"]
            text = f"AWS refused {operation}: {details['Code']}: {details['Message']}"
        case Unavailable(service=service, code=code):
            text = f"{service} does not answer ({code}); try again"
        case ValidationError(title=kind):
            text = f"this version cannot read a {kind} that is stored: {_fields(error)}"
        case BotoCoreError() | UnreadableItem():
            text = str(error)
        case _:
            return None
    return " ".join(text.split())


def _fields(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}"
        for issue in error.errors()
    )
