"""How long a row takes through a flow that a channel feeds, and how many go through.

python benchmarks/latency.py                      each runner, one step and a gang of eight groups
python benchmarks/latency.py --rows 5000          rows sent one by one, each when the last is back
"""

from __future__ import annotations

import argparse
import platform
import statistics
import threading
import time

from glowpy import Channel, Flow

RUNNERS = {
    "inline": ["-glow.inline"],
    "standalone": [],
    "standalone, 1 executor": ["-glow.workers=1"],
    "cluster": ["-glow", "-glow.quiet"],
}


def one_step(flow: Flow, source: Channel, out: Channel) -> None:
    flow.channel(source).map(abs).add_output(out)


def gang(flow: Flow, source: Channel, out: Channel) -> None:
    """Eight task groups: two read the channel, two scatter what they made, four gather it."""
    rows = flow.channel(source, shards=2).map(abs)
    rows.map(abs)
    rows.partition(4).map(abs).add_output(out)


def round_trips_ms(flags: list[str], shape: object, rows: int) -> list[float]:
    source, out = Channel(), Channel()
    flow = Flow(flags)
    shape(flow, source, out)  # type: ignore[operator]
    run = flow.start()
    took_ms = []
    for row in range(rows + 20):
        sent_at = time.perf_counter()
        source.send(row)
        assert out.receive(60.0) == row
        took_ms.append((time.perf_counter() - sent_at) * 1000)
    source.close()
    run.wait()
    return sorted(took_ms[20:])  # without those that start executors


def rows_per_s(flags: list[str], shape: object, rows: int) -> float:
    source, out = Channel(), Channel()
    flow = Flow(flags)
    shape(flow, source, out)  # type: ignore[operator]
    run = flow.start()
    source.send(0)
    out.receive(60.0)
    begun_at = time.perf_counter()

    def feed() -> None:
        with source:
            for row in range(rows):
                source.send(row)

    threading.Thread(target=feed).start()
    assert sum(1 for _ in out) == rows
    took_s = time.perf_counter() - begun_at
    run.wait()
    return rows / took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1000)
    rows = parser.parse_args().rows
    print(f"{rows} rows; Python {platform.python_version()}\n")
    print("| runner | flow | median | 99th of 100 | rows/s |\n|---|---|---|---|---|")
    for runner, flags in RUNNERS.items():
        for shape in (one_step, gang):
            took_ms = round_trips_ms(flags, shape, rows)
            median, late = statistics.median(took_ms), took_ms[len(took_ms) * 99 // 100]
            many = rows_per_s(flags, shape, 100 * rows)
            name = shape.__name__.replace("_", " ")
            print(f"| {runner} | {name} | {median:.2f} ms | {late:.2f} ms | {many:,.0f} |")


if __name__ == "__main__":
    main()
