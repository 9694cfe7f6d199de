"""Hosts with too many errors; with options, a threshold from the environment, and logging."""

import argparse
import logging
import os
import re

import glowpy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--level", choices=["WARNING", "ERROR"], default="ERROR")
parser.add_argument("--shards", type=int, default=2)
parser.add_argument("-v", "--verbose", action="store_true")
args = parser.parse_args(glowpy.argv())

logging.basicConfig(
    level=logging.INFO if args.verbose else logging.WARNING,
    format="%(levelname)s %(name)s %(message)s",
)
log = logging.getLogger("errors")
threshold = int(os.environ.get("ERROR_THRESHOLD", "1"))
LINE = re.compile(r"(?P<host>[\w-]+) \[(?P<level>[A-Z]+)\] (?P<text>.*)")

LINES = [
    "web-1 [INFO] started",
    "web-1 [ERROR] disk full",
    "web-2 [WARNING] slow",
    "web-1 [ERROR] disk full",
    "db [ERROR] no route",
    "--- log rotated ---",
    "web-2 [ERROR] timeout after 30 s",
    "web-1 [ERROR] disk still full",
    "web-2 [ERROR] timeout after 60 s",
]
LEVELS = {"INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}


def records(line):
    if not (match := LINE.fullmatch(line)):
        log.warning("not understood: %s", line)
        return []
    log.info("understood: %s", line)
    return [match.groupdict()]


def severe(record):
    return LEVELS[record["level"]] >= LEVELS[args.level]


log.info("threshold %d", threshold)
lines = glowpy.Flow().slice(LINES, args.shards)
found = lines.flat_map(records).filter(severe)
counts = found.map(lambda record: (record["host"], 1)).reduce_by_key(lambda a, b: a + b)
for host, count in counts.filter(lambda host, count: count > threshold).collect():
    print(f"{host}: {count}")
