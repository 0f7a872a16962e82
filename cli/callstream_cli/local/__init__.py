"""The local stack: the real template, deployed by the SAM CLI to an AWS emulator."""
