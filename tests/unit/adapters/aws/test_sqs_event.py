"""The answer of a function that takes SQS messages."""

from callstream.adapters.aws.sqs_event import retry


def test_retry_names_the_messages_that_sqs_delivers_again() -> None:
    messages = [{"messageId": "1", "body": "x"}, {"messageId": "2", "body": "y"}]

    assert retry(messages) == {
        "batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]
    }


def test_retry_of_no_messages_is_success() -> None:
    assert retry([]) == {"batchItemFailures": []}
