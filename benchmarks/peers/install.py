"""Makes an environment for each peer: `install.py DIRECTORY [PEER...]`.

Those that are there are left alone; one that cannot be installed is left out.
"""

from __future__ import annotations

import shutil
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
        if peer == "spark" and not shutil.which("java"):
            print("spark needs Java 17 or newer, which is not here: it is left out")
            continue
        print("installing", *PACKAGES[peer], flush=True)
        python = str(directory / peer / "bin" / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(directory / peer)],
            [*pip, *PACKAGES[peer]],
        ):
            if subprocess.run(command).returncode:
                print(f"{peer} cannot be installed here and is left out", file=sys.stderr)
                shutil.rmtree(directory / peer, ignore_errors=True)
                break
        else:
            made.touch()


if __name__ == "__main__":
    main()
