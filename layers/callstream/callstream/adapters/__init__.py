"""The adapters: the only place that imports boto3 and botocore, and that reads the clock.

Every client retries a bounded number of times with short time-outs; what is left over becomes
`Unavailable`. Errors that are our own fault (a missing table, a denied action) pass as they are.
"""
