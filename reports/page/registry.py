"""Find the sections of a report: every file in `sections` that registers one, and those of other packages."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from ...configs.errors import UsageError
from .blocks import Block, Section
from .evidence import Evidence

Write = Callable[[Evidence], list[Block]]


@dataclass(frozen=True, slots=True)
class SectionMaker:
    """A registered section. It stands behind the section named `after` ("" for the first)."""

    name: str
    title: str
    after: str
    write: Write

    def section(self, evidence: Evidence) -> Section | None:
        """The section for this evidence; None where it has nothing to say."""
        blocks = self.write(evidence)
        return Section(self.name, self.title, tuple(blocks)) if blocks else None


_REGISTERED: dict[str, SectionMaker] = {}


def section(name: str, title: str, *, after: str = "") -> Callable[[Write], Write]:
    """Register the decorated function, which turns evidence into blocks, as a section of every report."""

    def register(write: Write) -> Write:
        known = _REGISTERED.get(name)
        if known is not None and known.write.__module__ != write.__module__:
            raise ValueError(f"two sections are named '{name}': {known.write.__module__} and {write.__module__}")
        _REGISTERED[name] = SectionMaker(name, title, after, write)
        return write

    return register


@functools.cache
def _load_all() -> None:
    package = importlib.import_module(".sections", __package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for point in entry_points(group="mmbench.sections"):
        point.load()


def all_sections() -> list[SectionMaker]:
    """Every section, each behind the one that it wants to follow; those that follow the same one by name."""
    _load_all()
    ordered: list[SectionMaker] = []
    waiting = dict(sorted(_REGISTERED.items()))
    while waiting:
        ready = [s for s in waiting.values() if s.after not in waiting]
        if not ready:
            raise ValueError(f"sections follow each other in a circle: {', '.join(waiting)}")
        for one in ready:
            del waiting[one.name]
            places = [i for i, other in enumerate(ordered) if other.name == one.after]
            ordered.insert(places[0] + 1 if places else 0 if not one.after else len(ordered), one)
    return ordered


def sections_of(evidence: Evidence, only: tuple[str, ...] = ()) -> list[Section]:
    """The sections that have something to say; UsageError for a name in `only` that none has."""
    makers = all_sections()
    for name in only:
        if name not in {m.name for m in makers}:
            raise UsageError(f"there is no section '{name}'", "sections: " + ", ".join(m.name for m in makers))
    found = (m.section(evidence) for m in makers if not only or m.name in only)
    return [s for s in found if s is not None]
