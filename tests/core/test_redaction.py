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
        ("postgresql://ann:s3@cret@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:s3/cr:et@host/db", "postgresql://ann:***@host/db"),
        ("(postgresql://a:s3cret@h/x,postgresql://b:s3cret@i/y)", "(postgresql://a:***@h/x,postgresql://b:***@i/y)"),
        ("postgresql://h/db?sslpassword=s3cret", "postgresql://h/db?sslpassword=***"),
        ("http://host:5000/#/experiments/1?of=a@b", "http://host:5000/#/experiments/1?of=a@b"),
        ("models:/conversion@champion", "models:/conversion@champion"),
        ("tokens=5 passwords=2", "tokens=5 passwords=2"),
    ],
)
def test_a_password_is_seen_nowhere(address: str, shown: str) -> None:
    config = {"data": {"url": address, "n": 3}, "all": [address]}
    assert masked(config) == {"data": {"url": shown, "n": 3}, "all": [shown]}


@pytest.mark.parametrize("said", ["no host 'cret@host'", "role s3@cret", 'bad port "cret"', "s3%40cret at s3@cret"])
def test_what_a_driver_repeats_of_a_password_is_seen_nowhere(said: str) -> None:
    for address in ("postgresql://ann:s3@cret@host/db", "postgresql://ann:s3%40cret@host/db?password=cret"):
        assert "cret" not in masked(said, address)
