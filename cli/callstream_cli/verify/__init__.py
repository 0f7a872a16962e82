"""``callstream verify``: proves on a deployed stack that it works, and measures it."""
