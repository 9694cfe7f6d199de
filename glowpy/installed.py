"""Source files that are no part of the user's program: glowpy, Python's library, packages."""

from __future__ import annotations

import os

GLOWPY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
LIBRARY = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")

_OF_PACKAGES = ("/site-packages/", "/dist-packages/")  # the second is Debian's


def is_in_package(path: str) -> bool:
    """True of a file, or of a folder with a slash at its end, of an installed package.

    >>> is_in_package("/usr/lib/python3/dist-packages/yaml/__init__.py")
    True
    """
    return any(folder in path for folder in _OF_PACKAGES)


def is_installed(path: str) -> bool:
    """True of a file of glowpy, of Python's library or of an installed package."""
    return path.startswith((GLOWPY, LIBRARY)) or is_in_package(path)
