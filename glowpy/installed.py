"""Source files outside the user's program: glowpy, Python's library, installed packages."""

from __future__ import annotations

import os

GLOWPY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
LIBRARY = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")

_OF_PACKAGES = ("/site-packages/", "/dist-packages/")  # the second is Debian's


def is_in_package(path: str) -> bool:
    """Return True for a file of an installed package, or a folder with a trailing slash.

    >>> is_in_package("/usr/lib/python3/dist-packages/yaml/__init__.py")
    True
    """
    return any(folder in path for folder in _OF_PACKAGES)


def is_installed(path: str) -> bool:
    """Return True for a file of glowpy, of Python's library or of an installed package."""
    return path.startswith((GLOWPY, LIBRARY)) or is_in_package(path)
