"""What holds for all tests."""

import signal

# Who runs the tests in the background of a shell has them ignore Ctrl-C, and all that they start
# would too: commands that are interrupted would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
