"""Read the small files in which a system describes itself, and take apart what they say; whatever is odd counts as absent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_LIMIT_BYTES = 1 << 20  # /proc/cpuinfo of 256 CPUs is some 400 KiB; nothing read here is honestly larger
_CPU_LIMIT = 1 << 16  # Linux's own ceiling for CPU numbers is 8192; a list beyond this is nonsense, not a machine


def under(root: Path, path: str) -> Path:
    """`path` (absolute, as the system names it) below `root`."""
    return root / path.lstrip("/")


def read_text(path: Path, limit_bytes: int = _LIMIT_BYTES) -> str | None:
    """The text of a system file without the white space around it, or None where it cannot be read or is no text.

    Opened without blocking, so that a FIFO in the place of a file cannot hang the caller.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return None
    chunks: list[bytes] = []
    try:
        left = limit_bytes
        while left > 0 and (chunk := os.read(fd, min(left, 1 << 16))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)
    data = b"".join(chunks)
    if b"\0" in data.rstrip(b"\0"):
        return None
    return data.rstrip(b"\0").decode("utf-8", "replace").strip()


def read_files(root: Path, patterns: Iterable[str]) -> dict[str, str]:
    """The texts of all files that match the absolute glob patterns, keyed by their path as seen without `root`."""
    found: dict[str, str] = {}
    for pattern in patterns:
        relative = pattern.lstrip("/")
        try:
            paths = sorted(root.glob(relative)) if any(c in relative for c in "*?[") else [root / relative]
        except OSError:
            continue
        for path in paths:
            text = read_text(path)
            if text is not None:
                found["/" + path.relative_to(root).as_posix()] = text
    return found


def whole_number(text: str | None) -> int | None:
    """A decimal whole number that fits in 64 bits, or None."""
    try:
        value = int((text or "").strip())
    except ValueError:
        return None
    return value if -(2**63) <= value < 2**64 else None


def cpu_list(text: str | None) -> tuple[int, ...]:
    """`0-3,8,10-11` as numbers in order; empty for anything that is not such a list.

    Strides (`0-6:2/8`) do not occur in the files read here and count as nonsense.
    """
    cpus: set[int] = set()
    for part in (text or "").replace("\n", ",").split(","):
        first, dash, last = part.strip().partition("-")
        if not first:
            continue
        low, high = whole_number(first), whole_number(last if dash else first)
        if low is None or high is None or not 0 <= low <= high < _CPU_LIMIT:
            return ()
        cpus.update(range(low, high + 1))
    return tuple(sorted(cpus))


def cpu_list_text(cpus: Iterable[int]) -> str:
    """The inverse of `cpu_list`: ranges joined by commas."""
    ranges: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def keyed_numbers(text: str | None) -> dict[str, int]:
    """Lines of `key value` (cgroup `cpu.stat`, `memory.stat`) as numbers; lines that are no such pair are left out."""
    numbers: dict[str, int] = {}
    for line in (text or "").splitlines():
        words = line.split()
        if len(words) == 2 and (value := whole_number(words[1])) is not None:
            numbers[words[0]] = value
    return numbers
