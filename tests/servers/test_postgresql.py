"""Tasks that write to PostgreSQL as in docs/recipes.md, and connections that cannot be pickled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from glowpy.errors import ProgramError
from tests.runners import ON_EVERY_RUNNER, ON_THE_CLUSTER, Runner

psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: pip install 'psycopg[binary]'")
pytestmark = pytest.mark.slow

INSERT = (
    "INSERT INTO squares VALUES (%s, %s) ON CONFLICT (n) DO UPDATE SET square = EXCLUDED.square"
)


@ON_EVERY_RUNNER
def test_each_task_writes_its_shard_by_a_connection_of_its_own(
    new_flow: Runner, postgresql: str
) -> None:
    def save(rows: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        with psycopg.connect(postgresql) as database, database.cursor() as cursor:
            cursor.executemany(INSERT, rows)
            yield database.info.backend_pid, cursor.rowcount

    with psycopg.connect(postgresql) as database:
        database.execute("DROP TABLE IF EXISTS squares")
        database.execute("CREATE TABLE squares (n INTEGER PRIMARY KEY, square INTEGER)")
    squares = new_flow().slice(range(1000), 4).map(lambda n: (n, n * n))
    for _ in range(2):  # a repeated task writes the same rows
        written = squares.map_partitions(save).collect()
        assert len({connection for connection, _count in written}) == 4
        assert [count for _connection, count in written] == [250] * 4
        with psycopg.connect(postgresql) as database:
            found = database.execute("SELECT n, square FROM squares ORDER BY n").fetchall()
        assert found == [(n, n * n) for n in range(1000)]


@ON_THE_CLUSTER
def test_a_connection_of_the_driver_does_not_go_to_tasks(new_flow: Runner, postgresql: str) -> None:
    with psycopg.connect(postgresql) as database:

        def look_up(row: int) -> Any:
            return database.execute("SELECT %s + 1", [row]).fetchone()

        rows = new_flow().slice([1, 2]).map(look_up)
        with pytest.raises(ProgramError, match=r"Map1 \(test_postgresql\.py:\d+\).*pickle"):
            rows.collect()
