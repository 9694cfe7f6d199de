"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from glowpy.flags import MASTER_PORT
from glowpy.logs import FILE_MB, KEPT_FILES, LEVELS
from glowpy.paths import expand_path

AGENT_PORT = 8931

_Command = TypeVar("_Command", bound=Callable[..., Any])


class PathOption(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has none
    """A path. Expands `~` and `file://`, which a shell does not expand after a `=`."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return expand_path(value)
        except ValueError as exc:
            self.fail(f"{value}: {exc}", param, ctx)


PATH = PathOption()


def server_options(command: _Command) -> _Command:
    """Add the options of all servers to a command."""
    for option in (
        click.option(
            "--until-stdin-closes",
            is_flag=True,
            hidden=True,
            help="Exit at the end of standard input: for servers that another program starts.",
        ),
        click.option(
            "--log-file-mb",
            type=click.IntRange(1),
            default=FILE_MB,
            show_default=True,
            metavar="MB",
            help=f"Size at which the log file is rotated; {KEPT_FILES} old files are kept.",
        ),
        click.option(
            "--log-file",
            type=PATH,
            default="",
            metavar="FILE",
            help="Log file; standard error if not given.",
        ),
        log_level_option("info"),
        insecure_option,
        key_file_option,
    ):
        command = option(command)
    return command


def insecure_option(command: _Command) -> _Command:
    """Add `--insecure`, the option of servers and clients without a key."""
    return click.option(
        "--insecure", is_flag=True, help="Use unauthenticated, unencrypted connections."
    )(command)


def key_file_option(command: _Command) -> _Command:
    """Add `--key-file`, the option that names the key of a cluster."""
    return click.option(
        "--key.file",
        "--key-file",
        "key_file",
        type=PATH,
        default="",
        metavar="FILE",
        show_default="on loopback: the key of your user",
        help="Key file of the cluster, made by `glowpy keys FILE`.",
    )(command)


def log_level_option(default: str) -> Callable[[_Command], _Command]:
    """Return the option `--log-level` of commands that start servers."""
    return click.option(
        "--log-level",
        type=click.Choice(LEVELS),
        default=default,
        show_default=True,
        help="Lowest level that is logged.",
    )


def master_option(meaning: str) -> Callable[[_Command], _Command]:
    """Return the option `--master` with a help text."""
    return click.option(
        "--master",
        "leader",
        default=f"localhost:{MASTER_PORT}",
        show_default=True,
        metavar="HOST:PORT",
        help=meaning,
    )
