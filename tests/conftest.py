"""Set-up of all tests."""

import signal
from functools import cache

import botocore.session

# Tests in the background of a shell ignore Ctrl-C, and so would all processes that they start:
# commands that a test interrupts would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests make thousands of AWS clients. All of them share one loader: reading the models takes long.
botocore.session.create_loader = cache(botocore.session.create_loader)
