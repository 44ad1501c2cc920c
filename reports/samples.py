"""List every raw sample of a machine, one row a sample: for tables, data frames, and anyone who trusts no median."""

from __future__ import annotations

from collections.abc import Iterator

from ..configs.facts import Scalar
from ..configs.machine import Machine

Row = dict[str, Scalar | None]

_FIRST = ("curve", "probe", "version", "core_kind", "point", "sample")
_LAST = ("work", "unit", "time_s", "clock_hz", "dirty")


def machine_samples(machine: Machine) -> Iterator[Row]:
    """A row a sample: where it belongs, the setting as `at.NAME` columns, the work, the seconds, the clock, what disturbed it.

    `time_s` is the time of the whole sample of `work` units; `clock_hz` is None where no clock was measured. Rows hold only
    the settings that their own curve knows: `sample_columns` has all.
    """
    for key, curve in machine.curves.items():
        head: Row = {"curve": key, "probe": curve.probe, "version": curve.version, "core_kind": curve.core_kind}
        for number, point in enumerate(curve.points):
            at = {f"at.{name}": value for name, value in point.at.items()}
            for i, time_s in enumerate(point.time_s):
                clock_hz = point.clock_hz[i] if point.clock_hz and point.clock_hz[i] > 0 else None
                dirty = point.dirty[i] if point.dirty else ""
                tail: Row = {"work": point.work, "unit": curve.unit, "time_s": time_s, "clock_hz": clock_hz, "dirty": dirty}
                yield {**head, "point": number, "sample": i, **at, **tail}


def sample_columns(machine: Machine) -> list[str]:
    """Every column that `machine_samples` uses for this machine, settings in the order in which they first appear."""
    settings = dict.fromkeys(f"at.{name}" for curve in machine.curves.values() for point in curve.points for name in point.at)
    return [*_FIRST, *settings, *_LAST]
