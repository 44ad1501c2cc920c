"""Find the units of an architecture: every module of this folder that has `UNITS`."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys

from ....configs.errors import UsageError
from ..instruction import UnitRow


@functools.cache
def all_units() -> tuple[UnitRow, ...]:
    """Every unit of every architecture, by architecture and then in the order of the files."""
    package = sys.modules[__package__]
    modules = (importlib.import_module(f"{__package__}.{m.name}") for m in pkgutil.iter_modules(package.__path__))
    rows = [row for module in modules for row in getattr(module, "UNITS", ())]
    return tuple(sorted(rows, key=lambda row: (row.arch, row.matrix)))


def units_of(arch: str) -> tuple[UnitRow, ...]:
    """The units of one architecture, in the words of `Target.arch`; plain vectors before matrix and dot units."""
    return tuple(row for row in all_units() if row.arch == arch)


def unit(name: str, arch: str) -> UnitRow:
    """One unit by name; UsageError with the known names otherwise."""
    for row in units_of(arch):
        if row.name == name:
            return row
    known = ", ".join(row.name for row in units_of(arch)) or "none"
    raise UsageError(f"there is no unit '{name}' for {arch}", f"units: {known}")
