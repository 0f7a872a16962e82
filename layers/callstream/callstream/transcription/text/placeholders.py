"""What an engine writes in place of private data that it has taken out itself, such as `[NAME]`."""

import re
from typing import Final

# Amazon Transcribe's entity types, and the one that its guide's text has.
_TYPES: Final = (
    "ADDRESS",
    "AGE",
    "BANK_ACCOUNT_NUMBER",
    "BANK_ROUTING",
    "CREDIT_DEBIT_CVV",
    "CREDIT_DEBIT_EXPIRY",
    "CREDIT_DEBIT_NUMBER",
    "DATE_TIME",
    "EMAIL",
    "NAME",
    "PASSWORD",
    "PHONE",
    "PII",
    "PIN",
    "SSN",
    "USERNAME",
)
PLACEHOLDER: Final = re.compile(rf"\[(?:{'|'.join(_TYPES)})\]")
"""A placeholder: it is masked already, and stays as it is."""
