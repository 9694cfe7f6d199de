"""The distribution of tests over the processes of `pytest -n`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
SHARED = ('scope="module"', "in_one_run()")  # a fixture of a file; results to compare


class ByFileOrTest(LoadScopeScheduling):  # type: ignore[misc]
    """Keep tests with a shared fixture in one process; distribute all others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if is_kept_together(path) else nodeid


@cache
def is_kept_together(path: str) -> bool:
    """Return whether the file or its folder's conftest.py has a fixture shared by the tests."""
    file = ROOT / path
    texts = [
        each.read_text("utf-8") for each in (file, file.with_name("conftest.py")) if each.exists()
    ]
    return any(word in text for word in SHARED for text in texts)
