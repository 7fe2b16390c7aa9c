"""Addresses of services as they may be written down."""

import pytest

from gate.execute.services.starting import without_secret


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:1/0", "redis://127.0.0.1:1/0"),
        ("redis://:s3cret@h:1/0", "redis://:***@h:1/0"),
        ("postgresql://a:b@c@h/d", "postgresql://a:***@h/d"),
        ("postgresql://a@h/d?password=s3cret#s3cret", "postgresql://a@h/d"),
        ("http://[::1", "***"),
    ],
)
def test_a_url_is_written_down_without_its_secret(url: str, shown: str) -> None:
    assert without_secret(url) == shown
