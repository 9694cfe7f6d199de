"""Counts, sizes and durations as text."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Return a count with its noun: 1 task, 2 tasks."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def format_bytes(size: float) -> str:
    """Return a size with its unit: 0 B, 1.5 kB, 12 MB.

    >>> format_bytes(999), format_bytes(1500), format_bytes(12_000_000)
    ('999 B', '1.5 kB', '12 MB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    digits = 1 if size < 9.95 and unit != "B" else 0
    return f"{size:.{digits}f} {unit}"


def format_duration(duration_s: float) -> str:
    """Return a duration with its units: 12 ms, 3.4 s, 2 min 5 s.

    >>> format_duration(0.0123), format_duration(3.44), format_duration(125.2)
    ('12 ms', '3.4 s', '2 min 5 s')
    """
    if duration_s < 0.9995:
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def format_rows(count: float) -> str:
    """Return a number of rows in short form: 950, 12k, 3.4M.

    >>> format_rows(950), format_rows(12_345), format_rows(3_400_000)
    ('950', '12k', '3.4M')
    """
    for unit in ("", "k", "M", "G", "T"):
        if count < 999.5 or unit == "T":
            break
        count /= 1000
    digits = 1 if count < 9.95 and unit else 0
    return f"{count:.{digits}f}{unit}"
