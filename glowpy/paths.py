"""Paths as written by users: `~` for a home directory, and `file://` for this host."""

from __future__ import annotations

import os

_LOCAL_HOSTS = ("", "localhost")


def expand_path(given: str) -> str:
    """Return the path on this host named by `given`.

    A leading `~` or `~user` becomes a home directory, a `file://` URL becomes its path; other text
    is returned unchanged.

    Raises:
        ValueError: `given` is a URL of another scheme or of another host.

    >>> expand_path("file:///tmp/a%20b"), expand_path("file://localhost/etc"), expand_path("a/~b")
    ('/tmp/a b', '/etc', 'a/~b')
    """
    if given.startswith("~"):
        return os.path.expanduser(given)
    scheme, separator, rest = given.partition("://")
    if not separator or not _is_scheme(scheme):
        return given
    if scheme.lower() != "file":
        raise ValueError(f"{scheme}:// is not supported; a path or a file:// URL is needed")
    host, slash, path = rest.partition("/")
    if host.lower() not in _LOCAL_HOSTS or not slash:
        raise ValueError("a file:// URL needs an absolute path on this host, as file:///tmp/a")
    from urllib.parse import unquote  # slow to import

    return unquote(slash + path, errors="surrogateescape")


def split_paths(paths: str) -> list[str]:
    """Split a list of paths at `os.pathsep`, keeping URLs in one piece.

    >>> split_paths("a:file:///b:~/c:")
    ['a', 'file:///b', '~/c']
    """
    found: list[str] = []
    for part in paths.split(os.pathsep):
        if part.startswith("//") and found and _is_scheme(found[-1]):
            found[-1] += os.pathsep + part
        elif part:
            found.append(part)
    return found


def _is_scheme(text: str) -> bool:
    return text[:1].isalpha() and text.isascii() and text.replace("+", "").isalnum()
