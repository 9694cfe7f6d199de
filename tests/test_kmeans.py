"""examples/kmeans.py in every mode: a loop at the driver, through channels."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.processes import IN_EVERY_MODE, flags_of, run
from tests.test_script_modes import EXAMPLES, assert_announced

KMEANS = EXAMPLES / "kmeans.py"


def by_hand(points: list[tuple[float, float]], centroids: list[tuple[float, float]]) -> list[str]:
    """Plain k-means; returns the lines of the example's output."""
    rounds, is_settled = 0, False
    while not is_settled:
        rounds += 1
        near: list[list[tuple[float, float]]] = [[] for _ in centroids]
        for x, y in points:
            distances = [(x - cx) ** 2 + (y - cy) ** 2 for cx, cy in centroids]
            near[distances.index(min(distances))].append((x, y))
        before = centroids
        centroids = [
            (sum(x for x, _ in some) / len(some), sum(y for _, y in some) / len(some))
            for some in near
        ]
        is_settled = all(
            abs(x - u) + abs(y - v) < 1e-6 for (x, y), (u, v) in zip(centroids, before, strict=True)
        )
    return [f"{rounds} rounds", *(f"{x:8.3f} {y:8.3f}" for x, y in sorted(centroids))]


@IN_EVERY_MODE
def test_kmeans_equals_plain_python(mode: str, cluster: str, tmp_path: Path) -> None:
    lots = Random(mode)
    points = [(lots.gauss(3 * k, 1.0), lots.gauss(-k, 1.0)) for _ in range(300) for k in range(4)]
    (tmp_path / "points.txt").write_text("".join(f"{x} {y}\n" for x, y in points))
    ended = run(tmp_path, str(KMEANS), *flags_of(mode, cluster), "points.txt", "4")
    assert_announced(mode, ended)
    first = points[0::4]  # of shard 0
    lines = by_hand(points, [first[0], first[4], first[8], first[12]])
    assert int(lines[0].split()[0]) > 3
    assert ended.stdout.splitlines() == lines
