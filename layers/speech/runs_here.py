"""Succeeds if the offline speech engine runs on this machine, which the local stack then uses."""

import platform
import sys

ENGINE = "Linux", "x86_64", ("glibc", "2.34")
HERE = platform.system(), platform.machine(), platform.libc_ver()

sys.exit(HERE[:2] != ENGINE[:2] or HERE[2] < ENGINE[2])
