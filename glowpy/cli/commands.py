"""The commands and their options. Go: glow.go"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from glowpy.cli.channels import receive, send
from glowpy.cli.ending import until_told
from glowpy.cli.keys import keys
from glowpy.cli.options import (
    AGENT_PORT,
    PATH,
    insecure_option,
    key_file_option,
    log_level_option,
    master_option,
    server_options,
)
from glowpy.cli.server_keys import key_source, server_policy
from glowpy.errors import ConfigError, GlowError
from glowpy.flags import MASTER_PORT
from glowpy.logs import LogFormatter, start_log
from glowpy.stdio import hold_descriptors, notify_user
from glowpy.timing import Timing
from glowpy.version import __version__

if TYPE_CHECKING:
    from glowpy.wire.security import Policy


def main(argv: Sequence[str] | None = None) -> None:
    """Run the `glowpy` command. Exit status: 0 success, 1 error (one line), 2 wrong usage."""
    hold_descriptors()
    try:
        commands(args=argv, prog_name="glowpy")
    except GlowError as exc:
        notify_user(f"glowpy: {exc}")
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="glowpy %(version)s")
def commands() -> None:
    """Run a glowpy cluster: one master, any number of agents, and scripts started with -glow."""


@commands.command()
@click.option(
    "--address",
    default=f"localhost:{MASTER_PORT}",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to listen on; without a host: all interfaces, which requires a key.",
)
@click.option(
    "--then-remove", "leftovers", default="", hidden=True, help="Folder to remove at exit."
)
@server_options
def master(
    address: str,
    leftovers: str,
    key_file: str,
    insecure: bool,
    log_level: str,
    log_file: str,
    log_file_mb: int,
    until_stdin_closes: bool,
) -> None:
    """Register agents and lease their executors to drivers."""
    from glowpy.cli.folders import removed
    from glowpy.descriptors import raise_limit
    from glowpy.master.server import serve_master
    from glowpy.wire.address import parse_address
    from glowpy.wire.key_policy import policy_for
    from glowpy.wire.roles import Role

    where = parse_address(address, MASTER_PORT)
    if not (where.host or key_file or insecure):
        raise ConfigError(
            f"{where} means all interfaces, and every host that reaches a cluster without a key "
            f"can run programs on it; use --address localhost:{where.port} for this host only, "
            "--key-file FILE with a key made by `glowpy keys FILE`, or --insecure"
        )

    def read() -> Policy:
        return policy_for(
            where, role=Role.SERVER, key_file=key_file, insecure=insecure, is_server=True
        )

    policy = server_policy(read, "master", key_file, until_stdin_closes)
    raise_limit()
    lines = start_log(log_level, file=log_file, file_mb=log_file_mb)
    with (
        removed(leftovers),
        until_told(stdin_closes=until_stdin_closes) as stop,
        key_source(read, key_file) as source,
    ):
        timing = Timing.from_environment()
        serve_master(where, policy, timing, _announce("master", lines), stop, source)


@commands.command()
@click.option(
    "--dir",
    "folder",
    type=PATH,
    default="",
    metavar="DIR",
    help="Directory for shards and programs.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=AGENT_PORT,
    show_default=True,
    help="Port to listen on; 0: any free port.",
)
@click.option(
    "--advertise",
    default="",
    metavar="HOST:PORT",
    help="Address to register with the master, if other than --host and --port (port mapping).",
)
@master_option("Address of the master to register with.")
@click.option(
    "--dataCenter",
    "--data-center",
    "data_center",
    default="defaultDataCenter",
    show_default=True,
    help="Data center of this host.",
)
@click.option("--rack", default="defaultRack", show_default=True, help="Rack of this host.")
@click.option(
    "--max.executors",
    "--max-executors",
    "executor_limit",
    type=click.IntRange(1),
    show_default="cores",
    help="Maximum number of concurrent executors.",
)
@click.option(
    "--cpu.level",
    "--cpu-level",
    "cpu_level",
    type=int,
    default=1,
    show_default=True,
    help="Relative speed of one core; faster agents are preferred.",
)
@click.option(
    "--memory",
    "memory_mb",
    type=click.IntRange(1),
    default=1024,
    show_default=True,
    metavar="MB",
    help="Total memory of all executors, in MB.",
)
@click.option(
    "--clean.restart/--no-clean.restart",
    "--clean-restart/--no-clean-restart",
    "clean_restart",
    default=True,
    show_default=True,
    help="Delete the programs that an earlier agent cached in --dir.",
)
@server_options
def agent(
    folder: str,
    host: str,
    port: int,
    advertise: str,
    leader: str,
    data_center: str,
    rack: str,
    executor_limit: int | None,
    cpu_level: int,
    memory_mb: int,
    clean_restart: bool,
    key_file: str,
    insecure: bool,
    log_level: str,
    log_file: str,
    log_file_mb: int,
    until_stdin_closes: bool,
) -> None:
    """Run executors for drivers and serve the shards that they write."""
    from glowpy.agent.options import AgentOptions
    from glowpy.agent.server import serve_agent
    from glowpy.cli.folders import agent_folder
    from glowpy.descriptors import raise_limit
    from glowpy.resources import cores
    from glowpy.wire.address import Address, parse_address
    from glowpy.wire.key_policy import policy_for
    from glowpy.wire.roles import Role

    where = Address(host, port)
    leader_address = parse_address(leader, MASTER_PORT)

    def read() -> Policy:
        addresses = where, leader_address
        return policy_for(
            *addresses, role=Role.AGENT, key_file=key_file, insecure=insecure, is_server=True
        )

    policy = server_policy(read, "agent", key_file, until_stdin_closes)
    raise_limit()
    lines = start_log(log_level, file=log_file, file_mb=log_file_mb)
    with (
        agent_folder(folder, host, port) as directory,
        until_told(stdin_closes=until_stdin_closes) as stop,
        key_source(read, key_file) as source,
    ):
        options = AgentOptions(
            directory=directory,
            address=where,
            master=leader_address,
            data_center=data_center,
            rack=rack,
            executor_limit=executor_limit or cores(),
            cpu_level=cpu_level,
            memory_mb=memory_mb,
            clean_restart=clean_restart,
            advertised=parse_address(advertise, port) if advertise else None,
        )
        timing = Timing.from_environment()
        serve_agent(options, policy, timing, _announce("agent", lines), stop, source)


@commands.command(short_help="Run a test cluster on this host until Ctrl-C.")
@click.option(
    "--agents", type=click.IntRange(1, 250), default=3, show_default=True, help="Number of agents."
)
@click.option(
    "--executors",
    type=click.IntRange(1),
    show_default="cores / agents",
    help="Executors per agent.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=MASTER_PORT,
    show_default=True,
    help="Port of the master; 0: any free port.",
)
@log_level_option("warning")
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def cluster(
    agents: int, executors: int | None, port: int, log_level: str, until_stdin_closes: bool
) -> None:
    """Run a test cluster on this host until Ctrl-C: one master and several agents."""
    from glowpy.cli.cluster import LocalCluster
    from glowpy.resources import cores

    each = executors or -(-cores() // agents)
    timing = Timing.from_environment()
    with (
        until_told(stdin_closes=until_stdin_closes) as stop,
        LocalCluster(agents, each, port, log_level, timing, stop) as local,
    ):
        local.run()


@commands.command()
@master_option("Address of the master to query.")
@click.option("--json", "as_json", is_flag=True, help="Print each status as one line of JSON.")
@click.option("--watch", "is_watched", is_flag=True, help="Refresh until Ctrl-C.")
@click.option(
    "--pause",
    "pause_s",
    type=click.FloatRange(0.1, 3600.0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between refreshes, with --watch.",
)
@insecure_option
@key_file_option
def status(
    leader: str, as_json: bool, is_watched: bool, pause_s: float, key_file: str, insecure: bool
) -> None:
    """Show the agents, runs and pending executor requests of a master."""
    from glowpy.cli.status import StatusClient, show_once, watch
    from glowpy.wire.address import parse_address
    from glowpy.wire.key_policy import policy_for
    from glowpy.wire.roles import Role

    where = parse_address(leader, MASTER_PORT)
    timing = Timing.from_environment()
    policy = policy_for(where, role=Role.VIEWER, key_file=key_file, insecure=insecure)
    with until_told() as stop, StatusClient(where, policy, timing, stop) as client:
        if is_watched:
            watch(client, where, pause_s, as_json=as_json)
        else:
            show_once(client, where, as_json=as_json)


commands.add_command(keys)
commands.add_command(send)
commands.add_command(receive)


def _announce(role: str, lines: LogFormatter) -> Callable[[str], None]:
    """Return a callback that prints the address on which a server listens."""

    def announce(address: str) -> None:
        if role == "agent":
            lines.of_process["agent"] = address
        print(f"glowpy {role} listening on {address}", flush=True)

    return announce
