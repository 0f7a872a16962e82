"""``callstream preflight``: whether an AWS account and region can carry a number of calls."""
