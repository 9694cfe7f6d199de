"""Counts the fields of /etc/passwd: the one-minute tutorial of the README."""

from glowpy import Flow

flow = Flow()
(
    flow.text_file("/etc/passwd", 3)
    .filter(lambda line: not line.startswith("#"))
    .flat_map(lambda line: line.split(":"))
    .map(lambda token: 1)
    .reduce(lambda x, y: x + y)
    .map(lambda count: print("count:", count))
    .run()
)
