"""The location in the user's code where a step was defined."""

from __future__ import annotations

import os
import sys
from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def user_location() -> str:
    """Return `file:line` of the innermost frame outside glowpy.

    The file is a base name: driver and task run copies of one script in different folders, and
    their plans are compared. The file of a notebook's cell is `Cell In[3]`.
    """
    frame = _user_frame()
    file_name = frame.f_code.co_filename
    name = os.path.basename(file_name)
    if "IPython" in sys.modules:
        from glowpy.notebook import cell_name

        name = cell_name(file_name) or name
    return f"{name}:{frame.f_lineno}"


def has_code_below() -> bool:
    """True if a function of the user's that is being called has code below the current line."""
    frame: FrameType | None = _user_frame()
    while frame is not None:
        lines = (line for _start, _end, line in frame.f_code.co_lines() if line is not None)
        if max(lines, default=0) > frame.f_lineno:
            return True
        frame = frame.f_back
    return False


def _user_frame() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame
