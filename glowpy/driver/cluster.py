"""The cluster runner: executors leased from a master, launched at agents."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from glowpy.driver.captures import captures_of
from glowpy.driver.clock import ListeningClock
from glowpy.driver.fleets.cluster_fleet import ClusterFleet
from glowpy.driver.fleets.ephemeral_cluster import end_shared_cluster, is_answering, shared_cluster
from glowpy.driver.fleets.sent_environment import sent_environment
from glowpy.driver.fleets.shipping import make_program
from glowpy.driver.job import Job
from glowpy.driver.run import Run
from glowpy.driver.scratch import scratch_directory
from glowpy.driver.view.report import Report
from glowpy.driver.view.run_monitor import RunMonitor
from glowpy.errors import ConfigError
from glowpy.flags import MASTER_PORT, Options
from glowpy.program.package_data import MAX_BYTES, MAX_FILES
from glowpy.program.program import Script
from glowpy.timing import Timing
from glowpy.wire.address import Address, is_loopback, parse_address
from glowpy.wire.contact import completes_handshake
from glowpy.wire.key_policy import policy_for, policy_from_file
from glowpy.wire.roles import Role
from glowpy.wire.security import Policy
from glowpy.wire.transport import Transport


def run_on_cluster(job: Job) -> Any:
    """Run a job on a cluster and return the value of the terminal call.

    Raises:
        NoMaster, NoAgents: no cluster is reachable; GlowError: the run has failed.
    """
    plan, options, timing = job.plan, job.options, job.timing
    shipment = make_program(
        job.graph, job.description.targets, job.words, job.recorded, options.related_files
    )
    description = job.description._replace(captures=captures_of(plan, shipment))
    job = job._replace(description=description)
    report = Report(timing, is_quiet=options.quiet)
    for package in shipment.data_left_out:
        text = (
            f"data files of the package {package} are not sent to tasks: they are more than "
            f"{MAX_FILES} files or {MAX_BYTES >> 20} MB; name those that tasks need by "
            "-glow.related.files"
        )
        report.note_once(package, text)
    monitor = RunMonitor(plan, description, options, timing, report)
    clock = ListeningClock(2 * timing.beat_s)
    with (
        scratch_directory("glowpy-driver-") as directory,
        _cluster(options, timing, report) as (leader, policy, is_own),
        Transport(policy, timing) as transport,
        ClusterFleet(
            transport,
            leader,
            _own_address(options, leader),
            shipment,
            plan,
            description,
            directory,
            options,
            timing,
            clock,
            sent_environment(
                options.env,
                is_own_cluster=is_own,
                is_script=isinstance(shipment.program, Script),
            ),
        ) as fleet,
    ):
        return Run(job, fleet, report, monitor, clock).execute()


@contextlib.contextmanager
def _cluster(
    options: Options, timing: Timing, report: Report
) -> Iterator[tuple[Address, Policy, bool]]:
    """Open the cluster of a named leader, of a master on this host, or else the driver's own.

    Yields the leader's address, its policy, and True if the driver owns the cluster.
    """
    leader = parse_address(options.leader, MASTER_PORT)
    if options.key_file:
        policy_from_file(
            options.key_file, Role.DRIVER
        )  # a wrong key file is an error, even where no key is needed
    if options.insecure:
        report.note(f"INSECURE: connecting to {leader} without a key (-glow.insecure)")
    if options.leader_given:
        policy = _policy(leader, options)
        yield leader, policy, False
        return
    found = _found_master(leader, options, timing)
    if isinstance(found, Policy):
        yield leader, found, False
        return
    own, is_new = shared_cluster(timing)
    if is_new:
        report.note(
            f"{found}: using a cluster of the driver's own, "
            f"leader {own.leader}, {own.executor_count} executors"
        )
    try:
        yield own.leader, own.policy, True
    except KeyboardInterrupt:
        end_shared_cluster()  # a signal may end the process at once
        raise


def _found_master(leader: Address, options: Options, timing: Timing) -> Policy | str:
    """Return the policy for a master on this host, or the reason why no policy fits."""
    if not is_answering(leader, timing.notice_s):
        return f"no master on {leader}"
    try:
        policy = _policy(leader, options)
    except ConfigError as exc:
        if options.key_file:
            raise
        return f"the listener on {leader} cannot be trusted without a key ({exc})"
    with Transport(policy, timing.without_linger()) as transport:
        if completes_handshake(transport, leader, timing.handshake_s):
            return policy
    if options.key_file or options.insecure:
        return policy  # named by the user: the connection attempt reports the fault
    return (
        f"the listener at {leader} refuses the key of your user (name the cluster's key with "
        "-key.file=FILE, or give -glow.insecure if the master has no key)"
    )


def _policy(leader: Address, options: Options) -> Policy:
    return policy_for(
        leader, role=Role.DRIVER, key_file=options.key_file, insecure=options.insecure
    )


def _own_address(options: Options, leader: Address) -> Address:
    """Return the driver's address for agents: as configured, else the one that faces the leader."""
    host = options.driver_host
    if not host:
        host = "127.0.0.1" if is_loopback(leader.host) else _facing(leader)
    return Address(host, options.driver_port)


def _facing(leader: Address) -> str:
    """Return this host's address on the route to the leader; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((leader.host, leader.port))
        except OSError:
            return socket.gethostname()  # the connection attempt will report the unreachable leader
        host: str = probe.getsockname()[0]
        return host
