"""`glowpy send` and `glowpy receive`: write and read the lines of a named channel. Go: glow.go"""

from __future__ import annotations

import os
import sys

import click

from glowpy.channel import CHANNEL_NAMES, is_channel_name
from glowpy.cli.ending import until_told
from glowpy.cli.options import AGENT_PORT, PATH, insecure_option, key_file_option, master_option
from glowpy.errors import InputError
from glowpy.flags import MASTER_PORT
from glowpy.stdio import notify_user
from glowpy.timing import Timing


@click.command(short_help="Send lines to a named channel.")
@click.option("--to", "name", required=True, metavar="NAME", help="Name of the channel.")
@click.option(
    "--file",
    "path",
    type=PATH,
    default="",
    metavar="FILE",
    help="File to send; standard input if not given.",
)
@click.option(
    "--agent",
    "agent",
    default=f"localhost:{AGENT_PORT}",
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the agent that stores the channel.",
)
@insecure_option
@key_file_option
def send(name: str, path: str, agent: str, key_file: str, insecure: bool) -> None:
    """Send lines to a named channel at an agent. Replaces the earlier lines of that channel."""
    from glowpy.cli.sending import Sender
    from glowpy.wire.address import parse_address
    from glowpy.wire.key_policy import policy_for
    from glowpy.wire.roles import Role

    _check_name(name)
    where = parse_address(agent, AGENT_PORT)
    policy = policy_for(where, role=Role.DRIVER, key_file=key_file, insecure=insecure)
    descriptor = _opened(path)
    try:
        with until_told() as stop:
            is_whole = Sender(name, where, policy, Timing.from_environment(), stop).run(descriptor)
    finally:
        if path:
            os.close(descriptor)
    if not is_whole:
        sys.exit(130)


@click.command(short_help="Print the lines of a named channel.")
@click.option("--from", "name", required=True, metavar="NAME", help="Name of the channel.")
@master_option("Address of the master that locates the channel.")
@insecure_option
@key_file_option
def receive(name: str, leader: str, key_file: str, insecure: bool) -> None:
    """Print the lines of a named channel, also while a sender is adding lines."""
    from glowpy.task.named_channel import NamedChannelReader
    from glowpy.wire.address import parse_address
    from glowpy.wire.key_policy import policy_for
    from glowpy.wire.roles import Role

    _check_name(name)
    where = parse_address(leader, MASTER_PORT)
    timing = Timing.from_environment()
    policy = policy_for(where, role=Role.DRIVER, key_file=key_file, insecure=insecure)
    with (
        until_told() as stop,
        NamedChannelReader(
            name, where, policy, timing, stop, _note, "--master ", "--key-file"
        ) as reader,
    ):
        try:
            for lines in reader.batches():
                text = "\n".join([*map(str, lines), ""])
                sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
                sys.stdout.buffer.flush()
        except BrokenPipeError:  # the reader, such as `head`, has ended
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _note(text: str) -> None:
    notify_user(f"glowpy: {text}")


def _check_name(name: str) -> None:
    if not is_channel_name(name):
        raise click.UsageError(f"a channel's name has {CHANNEL_NAMES}, not {name!r}")


def _opened(path: str) -> int:
    if not path:
        return sys.stdin.fileno()
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise InputError(f"cannot read {path}: {exc.strerror}") from exc
