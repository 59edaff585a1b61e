from procactors.stores._queries import queries_of

OF_A_FILE = {"note_own_file", "is_own_file"}  # asked by SqliteStore itself, of no other database


def test_postgres_has_a_query_for_each_of_sqlites():
    assert queries_of("sqlite").names - OF_A_FILE <= queries_of("postgres").names


def test_a_query_may_end_another():
    sql = queries_of("sqlite")
    assert sql["records_by_pid"] == f"{sql['records']} WHERE p.pid = ?"


def test_rows_are_cut_into_few_different_statements():
    chunks = list(queries_of("sqlite").chunks("fence", [(n, n) for n in range(300)]))
    assert [rows for _, _, rows in chunks] == [128, 128, 32, 8, 4]
    assert [value for _, values, _ in chunks for value in values[::2]] == list(range(300))
