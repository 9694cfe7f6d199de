"""python -m glowpy."""

from __future__ import annotations

from glowpy.cli import main

if __name__ == "__main__":
    main()
