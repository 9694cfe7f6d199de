"""Key files on disk and in descriptors: accepted owners and modes, reading and writing."""

from __future__ import annotations

import os
import re
import select
import stat
import time
from contextlib import suppress
from functools import cache

from glowpy.errors import ConfigError
from glowpy.private_folder import trusted_owners
from glowpy.wire.key_file import MOST_BYTES, OLD_HEADER, KeyFile, from_text, to_text

STANDARD_INPUT = "-"
_DESCRIPTOR = re.compile(r"(?:fd:|/dev/fd/|/proc/self/fd/)([0-9]{1,9})")
_PATIENCE_S = 60.0  # for the writer of a pipe, such as a command that asks for a password


def descriptor_of(name: str) -> int | None:
    """Return the inherited descriptor named as key file, or None for a path.

    >>> descriptor_of("-"), descriptor_of("/dev/fd/3"), descriptor_of("fd:4"), descriptor_of("/k")
    (0, 3, 4, None)
    """
    if name in (STANDARD_INPUT, "/dev/stdin"):
        return 0
    found = _DESCRIPTOR.fullmatch(name)
    return int(found[1]) if found else None


def load_keys(name: str) -> KeyFile:
    """Read a key file or an inherited descriptor; a descriptor is read once and closed.

    Raises:
        ConfigError: the file cannot be read, is readable by other users, or is no key file.
    """
    descriptor = descriptor_of(name)
    data = _read_file(name) if descriptor is None else _read_once(descriptor, name)
    try:
        keys = from_text(data.decode("ascii"))
    except UnicodeDecodeError:
        keys = None
    if keys is not None:
        return keys
    if data.split(b"\n")[0] == OLD_HEADER.encode():
        raise ConfigError(
            f"{name} is a key file of an earlier release, without roles: make a new one with "
            "`glowpy keys FILE`, and parts of it for drivers with `glowpy keys --role driver`"
        )
    raise ConfigError(f"{name} is not a key file; make one with `glowpy keys FILE`")


def save_keys(path: str, keys: KeyFile) -> None:
    """Write a new key file that only this user can read.

    Raises:
        ConfigError: the file exists already or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(to_text(keys))
        except OSError:
            os.unlink(path)  # half a key is none
            raise
    except FileExistsError as exc:
        raise ConfigError(
            f"cannot make key file {path}: File exists; a cluster may need it, so name another"
        ) from exc
    except OSError as exc:
        raise ConfigError(f"cannot make key file {path}: {exc.strerror}") from exc


def replace_keys(path: str, keys: KeyFile) -> None:
    """Replace a key file atomically: readers find the old content or the new content.

    Raises:
        ConfigError: the folder cannot be written.
    """
    path = os.path.realpath(path)
    new = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    save_keys(new, keys)
    try:
        os.replace(new, path)
    except OSError as exc:
        os.unlink(new)
        raise ConfigError(f"cannot write key file {path}: {exc.strerror}") from exc


def _read_file(path: str) -> bytes:
    try:
        # Opening a named pipe without O_NONBLOCK would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            data = os.read(descriptor, MOST_BYTES + 1) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise ConfigError(f"cannot read key file {path}: {exc.strerror}") from exc
    if not _is_private(status):
        raise ConfigError(
            f"key file {path} must belong to you and be readable by you only: chmod 600 {path}; "
            "a mounted secret may belong to root and be readable by a group of yours (mode 0440)"
        )
    return data


def _is_private(status: os.stat_result) -> bool:
    """True for a file of this user only, and for a secret that root mounted for a group.

    Kubernetes makes secrets readable by the `fsGroup` of a pod. For a process of root, a mounted
    secret differs from a file of root by the missing permission to write.
    """
    mode = stat.S_IMODE(status.st_mode)
    user = os.geteuid()
    if status.st_uid == user and not mode & 0o077:
        return True
    is_of_group = mode & 0o040 and status.st_gid in {os.getegid(), *os.getgroups()}
    others = 0o237 if user == 0 else 0o037
    return bool(
        status.st_uid in trusted_owners()
        and (user == 0 or status.st_uid != user)
        and is_of_group
        and not mode & others
    )


@cache
def _read_once(descriptor: int, name: str) -> bytes:
    """Read an inherited descriptor to the end; later runs of this process get the same bytes.

    The descriptor is closed, or standard input set to /dev/null: no child inherits the key.
    """
    data = b""
    deadline = time.monotonic() + _PATIENCE_S
    try:
        while len(data) <= MOST_BYTES:
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], left_s)[0]:
                raise ConfigError(f"key file {name} did not end within {_PATIENCE_S:g} s")
            part = os.read(descriptor, MOST_BYTES + 1)
            if not part:
                break
            data += part
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ConfigError(f"cannot read the key from descriptor {descriptor}: {reason}") from exc
    finally:
        with suppress(OSError):  # not an open descriptor
            os.close(descriptor)
        if descriptor <= 2:
            os.open(os.devnull, os.O_RDWR)  # gets the same number, the lowest that is free
    if not data:
        raise ConfigError(
            f"key file {name} is empty: write it there, as in `glowpy agent --key-file - < FILE`"
        )
    return data
