from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ai_memory.text.database_address import DatabaseAddress, path_of, secrets_in, shown


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://ann@db1/memories", "postgresql://ann@db1/memories"),
        ("postgresql://ann:s3cret@db1:5433/memories", "postgresql://ann@db1:5433/memories"),
        ("postgres://ann:a%40b:c@db1/m", "postgres://ann@db1/m"),
        ("postgresql://ann:s3cret@db1,db2:5433/m", "postgresql://ann@db1,db2:5433/m"),
        ("postgresql:///m?host=/run/pg&user=ann&password=s3cret", "postgresql:///m?host=%2Frun%2Fpg&user=ann"),
        ("postgresql://db1/m?sslmode=verify-full&sslpassword=s3cret", "postgresql://db1/m?sslmode=verify-full"),
        ("postgresql://ann:s3cret@[::1", "postgresql://***"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, told: str) -> None:
    assert (shown(address), str(DatabaseAddress(address))) == (told, told)
    assert DatabaseAddress(address).address == address


def test_what_no_message_may_show_is_known_as_written_and_as_meant() -> None:
    assert secrets_in("postgresql://ann:a%40b@db1/m?sslpassword=c") == {"a%40b", "a@b", "c"}
    assert secrets_in("postgresql://ann@db1/m?sslmode=require") == set()


def test_an_address_goes_where_a_path_goes() -> None:
    address = path_of("postgresql://ann:s3cret@db1/m")

    assert isinstance(address, DatabaseAddress)
    assert (address.exists(), address.is_file(), address.absolute()) == (True, True, address)
    again = pickle.loads(pickle.dumps(address))
    assert (again, again.address) == (address, "postgresql://ann:s3cret@db1/m")
    assert type(path_of("postgresql.db")) is type(Path())
