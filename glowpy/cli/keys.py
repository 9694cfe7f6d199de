"""`glowpy keys`: makes, divides and rotates key files."""

from __future__ import annotations

import click

from glowpy.cli.options import PATH
from glowpy.errors import ConfigError

_ROLES = ("driver", "agent", "viewer")


@click.command(short_help="Make, divide or rotate the keys of a cluster.")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default=None,
    help="Write the keys of this role only.",
)
@click.option(
    "--from",
    "source",
    type=PATH,
    default="",
    metavar="FILE",
    show_default="your own key",
    help="With --role: the key file of the cluster.",
)
@click.option(
    "--rotate", is_flag=True, help="Put new keys into FILE; servers accept old and new keys."
)
@click.option("--drop-old", is_flag=True, help="End a rotation: remove the old keys from FILE.")
@click.argument("file", type=PATH)
def keys(role: str | None, source: str, rotate: bool, drop_old: bool, file: str) -> None:
    """Write new keys of a cluster to FILE, or the keys of one role, or rotate the keys in FILE."""
    from glowpy.wire.key_storage import save_keys
    from glowpy.wire.transport.curve import make_keys

    if bool(role or source) + rotate + drop_old > 1:
        raise ConfigError("--role, --rotate and --drop-old are used one at a time")
    if source and not role:
        raise ConfigError("--from names the source of a file for one role: say --role, too")
    if rotate:
        _rotate(file)
    elif drop_old:
        _drop_old(file)
    elif role:
        _divide(role, source, file)
    else:
        save_keys(file, make_keys())
        click.echo(
            f"{file}: the keys of all roles; keep this file, and make the parts of the members "
            f"with `glowpy keys --role agent|driver|viewer PART --from {file}`"
        )


def _divide(role: str, source: str, file: str) -> None:
    from glowpy.wire.key_file import for_role
    from glowpy.wire.key_policy import policy_of
    from glowpy.wire.key_storage import load_keys, save_keys
    from glowpy.wire.roles import Role
    from glowpy.wire.user_key import user_key_path, user_keys

    part = for_role(load_keys(source) if source else user_keys(), Role(role))
    whole = source or user_key_path()
    try:
        policy_of(part, Role(role), whole)
    except ConfigError as exc:
        raise ConfigError(
            f"{whole} lacks keys of the role {role}: --from needs the file with the keys of all "
            "roles, made by `glowpy keys FILE`"
        ) from exc
    save_keys(file, part)
    users = {
        "agent": "agents and the master (--key-file)",
        "driver": "scripts (-key.file), glowpy send and receive (--key-file)",
        "viewer": "glowpy status (--key-file)",
    }
    made_from = whole if source else f"{whole}, the key of your user (no --from was given)"
    click.echo(f"{file}: for {users[role]}; made from {made_from}")


def _rotate(file: str) -> None:
    from glowpy.wire.key_file import rotated
    from glowpy.wire.key_storage import load_keys, replace_keys
    from glowpy.wire.roles import CLUSTER_ROLES
    from glowpy.wire.transport.curve import make_generation

    whole = load_keys(file)
    if any(whole.newest.secret_of(role) is None for role in CLUSTER_ROLES):
        raise ConfigError(
            f"{file} has the keys of some roles only; rotate the cluster's whole file"
        )
    if len(whole.generations) > 1:
        raise ConfigError(f"{file} is being rotated already; end that by --drop-old first")
    replace_keys(file, rotated(whole, make_generation()))
    click.echo(
        f"{file}: new and old keys count from now on; send SIGHUP to the master, then to agents, "
        "give drivers and viewers new files (--role), then end it by --drop-old"
    )


def _drop_old(file: str) -> None:
    from glowpy.wire.key_file import without_old
    from glowpy.wire.key_storage import load_keys, replace_keys

    whole = load_keys(file)
    if len(whole.generations) == 1:
        raise ConfigError(f"{file} has no old keys")
    replace_keys(file, without_old(whole))
    click.echo(f"{file}: send SIGHUP to the master, then to agents; the old keys open nothing then")
