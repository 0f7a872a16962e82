"""Each route of carriers has a throttle, or a reason to have none."""

from tests import template

WITHOUT: dict[str, str] = {
    "media": "frames have the account's quota",
    "$default": "the audio of clients comes here, too",
    "$disconnect": "a message that is lost leaves a stream open",
}
# Of an account in some of AWS's newer Regions. No route may have more than its account.
SMALLEST_QUOTA = {"ThrottlingRateLimit": 2_500, "ThrottlingBurstLimit": 1_250}


def test_each_route_has_a_throttle_or_a_reason_to_have_none() -> None:
    media = template.load()["Resources"]["MediaApi"]["Properties"]
    settings = media["RouteSettings"]

    assert settings.keys() ^ WITHOUT.keys() == media["Routes"].keys()
    for throttle in settings.values():
        # With one of the two alone, API Gateway refuses every message.
        assert throttle.keys() == SMALLEST_QUOTA.keys()
        assert min(throttle.values()) > 0
    assert "DefaultRouteSettings" not in media


def test_throttles_leave_a_good_part_of_the_smallest_quota_to_frames() -> None:
    settings = template.load()["Resources"]["MediaApi"]["Properties"]["RouteSettings"]

    for name, quota in SMALLEST_QUOTA.items():
        assert sum(throttle[name] for throttle in settings.values()) <= 0.6 * quota
