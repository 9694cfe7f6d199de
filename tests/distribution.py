"""How the processes of `pytest -n` share the tests out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
SHARED = ('scope="module"', "in_one_run()")  # a fixture of a file, results that are compared


class ByFileOrTest(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share something in their file stay in one process; all others go one by one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if is_kept_together(path) else nodeid


@cache
def is_kept_together(path: str) -> bool:
    """Does the file, or the conftest.py of its folder, have something for all tests of the file?"""
    file = ROOT / path
    texts = [
        each.read_text("utf-8") for each in (file, file.with_name("conftest.py")) if each.exists()
    ]
    return any(word in text for word in SHARED for text in texts)
