import pytest

from tippingpoint.core.redaction import masked


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:s3cret@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("postgresql://:s3cret@host/db", "postgresql://:***@host/db"),
        ("postgresql://ann@host/db?Password=s3cret&x=1", "postgresql://ann@host/db?Password=***&x=1"),
        ("data.url=postgresql://ann:s3cret@db/users", "data.url=postgresql://ann:***@db/users"),
        ("data.path=https://host/users.csv", "data.path=https://host/users.csv"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("host=h user=ann password='s3cret'", "host=h user=ann password=***"),
    ],
)
def test_a_password_is_seen_nowhere(address: str, shown: str) -> None:
    config = {"data": {"url": address, "n": 3}, "all": [address]}
    assert masked(config) == {"data": {"url": shown, "n": 3}, "all": [shown]}
