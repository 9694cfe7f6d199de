"""Makes an environment for each peer: `install.py DIRECTORY [PEER...]`. Spark needs Java 17, too.

Those that are there are left alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "spark": ["pyspark==4.3.0"],
    "dask": ["dask[bag,distributed]==2026.8.0"],
    "ray": ["ray[data]==2.60.0"],
    "bytewax": ["bytewax==0.21.1"],
    "polars": ["polars==2.1.0"],
    "duckdb": ["duckdb==2.0.0"],
}


def main() -> None:
    directory = Path(sys.argv[1])
    for peer in sys.argv[2:] or PACKAGES:
        made = directory / peer / "made"
        if made.exists():
            continue
        print("installing", *PACKAGES[peer], flush=True)
        python = directory / peer / "bin" / "python"
        for command in (
            [sys.executable, "-m", "venv", "--clear", directory / peer],
            [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            + PACKAGES[peer],
        ):
            if subprocess.run(command).returncode:
                print(f"{peer} cannot be installed here: it will be left out", file=sys.stderr)
                break
        else:
            made.touch()


if __name__ == "__main__":
    main()
