"""k-means clustering: a loop at the driver, in which all tasks compute each round.

python examples/kmeans.py                    generated points, on all cores
python examples/kmeans.py points.txt 5       five clusters of the points of a file, "x y" per line
python examples/kmeans.py -glow              on a cluster, which the driver starts if none runs

Centroids are sent through a broadcast channel, which every shard reads. For each set of centroids,
a shard returns the number and the sums of its points nearest to each centroid. The points stay
in the tasks: each task reads its part once, before the first round.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice

import glowpy
from glowpy import Channel, Flow

SHARDS = 4
POINTS = 20_000  # if no file is named
NEAR_ENOUGH = 1e-6  # the loop ends if no centroid moved further

Point = tuple[float, float]
Sums = list[tuple[int, float, float]]  # by centroid: number and sums of the nearest points

words = glowpy.argv()
path = words[0] if words else ""
clusters = int(words[1]) if len(words) > 1 else 3


def points_of(shard: int) -> Iterator[Point]:
    """Return every SHARDS-th point of the file, or random points around (0, 0), (4, 4), (8, 8) …"""
    if path:
        with open(path, encoding="utf-8") as lines:
            for line in islice(lines, shard, None, SHARDS):
                x, y = map(float, line.split())
                yield x, y
        return
    lots = random.Random(shard)  # the same in each attempt
    for number in range(POINTS // SHARDS):
        middle = 4.0 * (number % clusters)
        yield lots.gauss(middle, 1.0), lots.gauss(middle, 1.0)


def partial_sums(rounds: Iterator[Sequence[Point]], shard: int) -> Iterator[tuple[int, Sums]]:
    """Yield, for the centroids of each round, the sums of the points of this shard."""
    points = list(points_of(shard))
    for centroids in rounds:
        sums: Sums = [(0, 0.0, 0.0)] * len(centroids)
        for x, y in points:
            distances = [(x - cx) ** 2 + (y - cy) ** 2 for cx, cy in centroids]
            nearest = distances.index(min(distances))
            n, sum_x, sum_y = sums[nearest]
            sums[nearest] = n + 1, sum_x + x, sum_y + y
        yield shard, sums


def moved(centroids: Sequence[Point], partials: Sequence[tuple[int, Sums]]) -> list[Point]:
    """Return the mean of the nearest points of each centroid."""
    middles = []
    for number, centroid in enumerate(centroids):
        of_shards = [sums[number] for _shard, sums in sorted(partials)]
        n, sum_x, sum_y = (sum(column) for column in zip(*of_shards, strict=True))
        middles.append((sum_x / n, sum_y / n) if n else centroid)
    return middles


centroids_in, sums_out = Channel(), Channel()
flow = Flow()
flow.channel(centroids_in, shards=SHARDS, broadcast=True).map_partitions(partial_sums).add_output(
    sums_out
)

glowpy.ready()  # the code below runs in the driver only

run = flow.start()
rounds = 0
centroids = list(islice(points_of(0), 0, clusters * clusters, clusters))  # all in one cluster
is_settled = False
with centroids_in:
    while not is_settled:
        rounds += 1
        centroids_in.send(centroids)
        before, centroids = centroids, moved(centroids, [next(sums_out) for _ in range(SHARDS)])
        is_settled = all(
            abs(x - old_x) + abs(y - old_y) < NEAR_ENOUGH
            for (x, y), (old_x, old_y) in zip(centroids, before, strict=True)
        )
run.wait()

print(f"{rounds} rounds")
for x, y in sorted(centroids):
    print(f"{x:8.3f} {y:8.3f}")
