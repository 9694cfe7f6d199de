"""The environment variables and options of Python sent by the driver to tasks.

fresh executors         all variables, and options such as -O, -W, -X
driver's own cluster    the same, without the variables of glowpy
other clusters          the language, the time zone, and the variables of -glow.env; for all
                        others the names, so that a task can report a missing variable
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from glowpy.environment import named_variables
from glowpy.record import NamedTuple

_ALWAYS_SENT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONUTF8", "PYTHONIOENCODING")
_OWN = "GLOWPY_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_MAX_NAMES = 1000


class SentEnvironment(NamedTuple):
    """The part of a driver's environment sent with a run."""

    variables: dict[str, str]
    unsent: tuple[str, ...]  # names of the others
    python_options: tuple[str, ...]
    hash_seed: int  # PYTHONHASHSEED


def sent_environment(flag: str, *, is_own_cluster: bool, is_script: bool) -> SentEnvironment:
    """Return the part of this process's environment sent to tasks.

    Args:
        flag: the value of -glow.env.
        is_script: tasks re-run the script, with its own changes of `os.environ`.

    Raises:
        FlagError: the flag names a variable that is not set.
    """
    variables = obeyed(at_start() if is_script else os.environ)
    whole = {name: value for name, value in variables.items() if not name.startswith(_OWN)}
    named = named_variables(flag, {**os.environ, **whole})
    if is_own_cluster:
        return SentEnvironment(
            variables={**whole, **named},
            unsent=(),
            python_options=python_options(),
            hash_seed=hash_seed(),
        )
    sent = {name: whole[name] for name in _ALWAYS_SENT if name in whole}
    sent.update(named)
    unsent = sorted(name for name in whole.keys() - sent.keys() if _NAME.fullmatch(name))
    return SentEnvironment(
        variables=sent, unsent=tuple(unsent[:_MAX_NAMES]), python_options=(), hash_seed=hash_seed()
    )


def at_start() -> Mapping[str, str]:
    """Return the environment at the start of this process, before the script changed it."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().rstrip(b"\0").split(b"\0")
    except OSError:
        return os.environ
    found = {}
    for entry in entries:
        name, equals, value = os.fsdecode(entry).partition("=")
        if not (name and equals):  # a library has overwritten it with the title of the process
            return os.environ
        found[name] = value
    return found


def obeyed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, without those of Python if this interpreter ignores them (-E, -I)."""
    is_ignored = sys.flags.ignore_environment
    return {
        name: value
        for name, value in environment.items()
        if not (is_ignored and name.startswith("PYTHON"))
    }


def hash_seed() -> int:
    """Return PYTHONHASHSEED for executors: the driver's own, or 0, the same in each run."""
    given = os.environ.get("PYTHONHASHSEED", "")
    return int(given) if given.isdecimal() else 0


def python_options() -> tuple[str, ...]:
    """Return the options of this interpreter that change how code runs."""
    flags = sys.flags
    options = [
        "-" + "O" * flags.optimize if flags.optimize else "",
        "-" + "b" * flags.bytes_warning if flags.bytes_warning else "",
        "-B" if flags.dont_write_bytecode else "",
        "-s" if flags.no_user_site else "",
    ]
    for name, value in sys._xoptions.items():
        options.append(f"-X{name}" if value is True else f"-X{name}={value}")
    options += [f"-W{option}" for option in sys.warnoptions]
    return tuple(filter(None, options))
