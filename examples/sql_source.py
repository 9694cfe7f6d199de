"""Cogroups two tables of a database: the posts of users who were last seen a year ago.

python examples/sql_source.py             on blog.sqlite, created if missing
python examples/sql_source.py other.sqlite -glow

Like Glow's mongodb_source, with SQLite, which is part of Python; other drivers of Python's
database API are used in the same way. A source is a function. One task calls the function, which
opens the connection there, so the database must be reachable from every host.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import glowpy
from glowpy import Flow

LONG_AGO = "2023-06-01"
USERS = 200

SCHEMA = """
CREATE TABLE users (email TEXT, name TEXT, last_seen TEXT);
CREATE TABLE posts (id INTEGER, email TEXT, subject TEXT, size_bytes INTEGER);
"""


def make_database(path: Path) -> None:
    """Create users and posts, the same each time; a tenth of the posts have no user."""
    lots = random.Random(1)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        for number in range(USERS):
            seen = f"{lots.randrange(2020, 2025)}-{lots.randrange(1, 13):02}-01"
            database.execute(
                "INSERT INTO users VALUES (?, ?, ?)",
                (f"user{number}@example.org", f"User {number}", seen),
            )
        for number in range(USERS * 3):
            email = f"user{lots.randrange(USERS * 11 // 10)}@example.org"
            size_bytes = lots.randrange(100_000)
            database.execute(
                "INSERT INTO posts VALUES (?, ?, ?, ?)",
                (number, email, f"Post {number}", size_bytes),
            )


path = Path((glowpy.argv() or ["blog.sqlite"])[0]).absolute()
if not glowpy.is_task() and not path.exists():
    make_database(path)


def rows_of(query: str) -> Callable[[], Iterator[tuple[Any, ...]]]:
    """Return a source of the rows of a query."""
    return partial(select, str(path), query)


def select(database_path: str, query: str) -> Iterator[tuple[Any, ...]]:
    with closing(sqlite3.connect(database_path)) as database:
        yield from database.execute(query)


flow = Flow()
users = (
    flow.source(rows_of("SELECT email, name, last_seen FROM users"), 1)
    .key_by(lambda email, name, last_seen: email)
    .partition(3)
)
posts = flow.source(rows_of("SELECT email, size_bytes FROM posts"), 1).partition(3)
gone = (
    users.cogroup(posts)
    .filter(lambda email, users, sizes: bool(users) and users[0][2] < LONG_AGO)
    .map(lambda email, users, sizes: (users[0][2], email, len(sizes), sum(sizes)))
    .sort(key=tuple)
)

for last_seen, email, count, size_bytes in gone.collect():
    print(f"{email} last seen {last_seen}, {count} posts, {size_bytes} bytes")
