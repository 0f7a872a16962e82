"""Set-up of all tests."""

import signal

# Tests in the background of a shell ignore Ctrl-C, and so would all processes that they start:
# commands that a test interrupts would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
