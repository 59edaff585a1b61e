import pytest

from procactors.errors import InvalidStoreError
from procactors.stores._url import PostgresLocation, postgres_location


def test_the_schema_is_ours_and_the_rest_the_drivers():
    location = postgres_location("postgresql://me:secret@db:5433/shop?sslmode=require&schema=jobs")
    assert location == PostgresLocation("postgresql://me:secret@db:5433/shop?sslmode=require", "jobs")


def test_the_password_is_not_shown():
    shown = postgres_location("postgres://me:secret@db/shop?schema=jobs&password=secret").shown
    assert shown == "postgresql://me@db/shop?schema=jobs"


@pytest.mark.parametrize("name", ["", 'a"b', "a b", "1a", "x" * 64])
def test_a_name_that_is_none_for_a_schema_is_refused(name):
    with pytest.raises(InvalidStoreError, match="schema"):
        postgres_location(f"postgresql://db/shop?schema={name}")
