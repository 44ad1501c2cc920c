"""Read a library's own version out of its file: the package that it came with may number otherwise (NumPy 2.4.6 brings OpenBLAS 0.3.31).

A library that can be asked holds its answer as text. Nothing is loaded; the file is searched once a process while it stays as it is.
"""

from __future__ import annotations

import functools
import mmap
import re
from pathlib import Path


def stated_version(path: str, mark: bytes) -> str:
    """The version behind `mark`, a pattern whose one group it is; empty where the file holds none, cannot be read, or is empty."""
    if not (path and mark):
        return ""
    try:
        about = Path(path).stat()
        return _searched(path, mark, about.st_size, about.st_mtime_ns)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return ""


@functools.lru_cache(maxsize=256)
def _searched(path: str, mark: bytes, _size_bytes: int, _changed_ns: int) -> str:
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = re.search(mark, content)
        return found[1].decode("ascii", errors="replace") if found else ""


def version_key(version: str) -> tuple[int, ...]:
    """What versions are compared by: their numbers. Without one it is empty, which is older than any."""
    beginning = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(number) for number in beginning[0].split(".")) if beginning else ()
