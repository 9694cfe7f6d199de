"""The environment of a task: the agent's own without its secrets, plus the driver's variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from glowpy.environment import FAULTS_VARIABLE, SCALE_VARIABLE

_KEPT = (SCALE_VARIABLE, FAULTS_VARIABLE)  # of tests

# Private to the agent: keys and sockets of its service, and the terminal or session from which the
# agent was started.
_OF_AGENT = re.compile(
    r"""GLOWPY_.* | .*_KEY_FILE | CREDENTIALS_DIRECTORY | NOTIFY_SOCKET
    | LISTEN_(FDS|PID|FDNAMES|PIDFDID) | INVOCATION_ID | JOURNAL_STREAM | WATCHDOG_.* | SYSTEMD_.*
    | TERM | TERM_PROGRAM.* | TERMCAP | COLORTERM | COLUMNS | LINES | TMUX.* | STY | WINDOWID
    | SSH_.* | DISPLAY | WAYLAND_DISPLAY | XAUTHORITY | DBUS_SESSION_BUS_ADDRESS
    | PWD | OLDPWD | SHLVL | _ | PYTHONINSPECT | PYTHONSTARTUP""",
    re.VERBOSE,
)
_OPTION = re.compile(r"-(O{1,2}|B|b{1,2}|s|W.*|X.+)", re.DOTALL)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables inherited by tasks from an agent with this environment.

    >>> inherited({"PATH": "/bin", "AGENT_KEY_FILE": "/k", "TERM": "xterm", "OMP_NUM_THREADS": "2"})
    {'PATH': '/bin', 'OMP_NUM_THREADS': '2'}
    """
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or _OF_AGENT.fullmatch(name) is None
    }


def checked_options(options: Iterable[str]) -> list[str]:
    """Return the interpreter options sent by a driver.

    Raises:
        ValueError: an option would make Python run something else.
    """
    for option in options:
        if _OPTION.fullmatch(option) is None:
            raise ValueError(f"{option!r:.100} is no option of Python that a driver may send")
    return list(options)
