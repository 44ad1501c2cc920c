"""Find the probes: every module of this folder (and every `mmbench.probes` entry point) that decorates a `measure`.

A probe is one file with two functions:

    @probe("mine", version=1, needs=("clock",), seconds=(1, 3, 10))
    def measure(context: Context) -> Curve: ...          # runs in a worker process, pinned; may crash

    def infer(curve: Curve, machine: Machine) -> Machine: ...   # pure; also re-run on stored curves

`version` goes up whenever the kernel or the method changes: points of different versions never mix.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from ..configs.curve import Curve
from ..configs.errors import UsageError
from ..configs.machine import Machine
from ..kernels.measure.lean import one_blas_thread
from .context import Context, Effort

Measure = Callable[[Context], Curve]
Infer = Callable[[Curve, Machine], Machine]


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe as registered. `seconds` are the usual run times on two cores for quick, default and deep."""

    name: str
    version: int
    measure: Measure
    needs: tuple[str, ...]
    seconds: tuple[float, float, float]
    per_kind: bool  # repeated on each kind of core of a hybrid chip
    crew: bool  # uses every allowed CPU, not only the pinned one

    @property
    def module(self) -> str:
        """The module that holds `measure` and `infer`."""
        return self.measure.__module__

    @property
    def summary(self) -> str:
        """The first line of the module's docstring."""
        return (sys.modules[self.module].__doc__ or "").strip().splitlines()[0]

    def estimate_s(self, effort: Effort) -> float:
        """Usual seconds at this effort."""
        return self.seconds[effort.rank]

    def infer(self, curve: Curve, machine: Machine) -> Machine:
        """What the curve says of the machine, added to what is known already."""
        infer: Infer = sys.modules[self.module].__dict__["infer"]
        return infer(curve, machine)


_REGISTERED: dict[str, Probe] = {}


def probe(
    name: str, *, version: int, needs: tuple[str, ...] = (), seconds: tuple[float, float, float], per_kind: bool = False, crew: bool = False
) -> Callable[[Measure], Measure]:
    """Register the decorated `measure` under `name`."""

    def register(measure: Measure) -> Measure:
        known = _REGISTERED.get(name)
        if known is not None and known.module != measure.__module__:
            raise ValueError(f"two probes are named '{name}': {known.module} and {measure.__module__}")
        _REGISTERED[name] = Probe(name, version, measure, needs, seconds, per_kind, crew)
        return measure

    return register


@functools.cache
def _load_all() -> None:
    package = sys.modules[__package__]
    with one_blas_thread():  # NumPy comes in with the first probe
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg:
                importlib.import_module(f"{__package__}.{module.name}")
        for point in entry_points(group="mmbench.probes"):
            point.load()


def all_probes() -> list[Probe]:
    """Every probe, each after those it needs, otherwise by name."""
    _load_all()
    ordered: list[Probe] = []
    waiting = dict(sorted(_REGISTERED.items(), key=lambda item: (_PREFERRED.get(item[0], 99), item[0])))
    while waiting:
        ready = [p for p in waiting.values() if not any(need in waiting for need in p.needs)]
        if not ready:
            raise ValueError(f"probes need each other in a circle: {', '.join(waiting)}")
        ordered.append(ready[0])
        del waiting[ready[0].name]
    return ordered


# The order in which a reader wants results when dependencies leave a choice.
_PREFERRED = {
    name: rank
    for rank, name in enumerate(
        (
            "identity",
            "topology",
            "conditions",
            "clock",
            "simd",
            "matrix",
            "tlb",
            "latency",
            "geometry",
            "bandwidth",
            "peaks",
            "core-to-core",
            "loaded-latency",
            "nodes",
        )
    )
}


def choose(names: tuple[str, ...]) -> list[Probe]:
    """The named probes and all that they need, in order; all probes for no name. UsageError for an unknown one."""
    everything = all_probes()
    if not names:
        return everything
    by_name = {p.name: p for p in everything}
    wanted: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in by_name:
            raise UsageError(f"there is no probe '{name}'", "probes: " + ", ".join(sorted(by_name)))
        if name not in wanted:
            wanted.add(name)
            queue.extend(by_name[name].needs)
    return [p for p in everything if p.name in wanted]
