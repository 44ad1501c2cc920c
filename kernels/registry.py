"""Find the kernels: every module of this folder and of `vendor` (and every `mmbench.kernels` entry point) that registers one.

A kernel is an object with a name that answers cases. It is asked in a worker of its own:

    reason = kernel.serves(case)             # "" or why not; cheap, loads nothing
    prepared = kernel.prepare(case, host)    # machine code behind one pointer, ready to be called with argument blocks

`@kernel` registers a class of one's own with nothing to load (naive, vectorized, a file of yours); vendor libraries register through
`vendor.library`. `version` goes up whenever the code or its parameters change: rows of different versions never mix.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case, Variant
from ..configs.errors import UsageError
from .host import Host

if TYPE_CHECKING:
    from .operands import Operands


class PythonCall(Protocol):
    """A kernel that can only be called from Python, bound to one set of operands."""

    def __call__(self, n: int) -> None:
        """Do the product n times and wait until the device has finished."""

    def fetch(self) -> None:
        """Copy the result into the operands' C, where it is checked."""


@dataclass(slots=True)
class Prepared:
    """A kernel made ready for one case.

    `address` is a C function `void f(int64_t *arguments)` (slots of `abi.Slot`), thread settings already made; 0 where only Python can
    call it: then `python` binds it to operands. `bind` gives the value of slot STATE for one set of operands (its memory kept alive by
    `keep` or by itself); `table` holds what slot TABLE points to. `sha` identifies the machine code (of the library file for a vendor).
    """

    variant: Variant
    address: int = 0
    bind: Callable[[Operands], int] | None = None
    table: NDArray[np.int64] | None = None
    python: Callable[[Operands], PythonCall] | None = None
    sha: str = ""
    warnings: tuple[str, ...] = ()
    keep: list[object] = field(default_factory=list)


class GemmKernel(Protocol):
    """What answers cases. `title` is a sentence for people; `source` where the method comes from."""

    name: str
    version: str
    title: str
    source: str

    def serves(self, case: Case) -> str:
        """Empty, or why this kernel does not answer such a case. Loads nothing."""
        ...

    def prepare(self, case: Case, host: Host) -> Prepared:
        """Machine code for the case; NotPossibleError where it turns out that it cannot be had."""
        ...


_REGISTERED: dict[str, GemmKernel] = {}


def kernel(name: str, *, version: int, source: str = "") -> Callable[[type], type]:
    """Register a class (made without arguments) whose objects have `serves` and `prepare`; its docstring's first line is the title."""

    def register(made: type) -> type:
        known = _REGISTERED.get(name)
        if known is not None and type(known).__module__ != made.__module__:
            raise ValueError(f"two kernels are named '{name}': {type(known).__module__} and {made.__module__}")
        made.name, made.version, made.source = name, str(version), source  # type: ignore[attr-defined]
        made.title = (made.__doc__ or "").strip().splitlines()[0].rstrip(".")  # type: ignore[attr-defined]
        _REGISTERED[name] = made()
        return made

    return register


# Modules of this folder that register kernels of our own; others hold no kernels and are not imported for the search.
OWN = ("naive", "blocked", "vectorized")


@functools.cache
def _load_all() -> None:
    for name in OWN:
        importlib.import_module(f"{__package__}.{name}")
    for point in entry_points(group="mmbench.kernels"):
        point.load()


def own_kernels() -> dict[str, GemmKernel]:
    """The kernels that need no library, by name, in the order of the ladder."""
    _load_all()
    return dict(_REGISTERED)


def own_kernel(name: str) -> GemmKernel:
    """One of them; UsageError with the known names otherwise."""
    found = own_kernels()
    if name not in found:
        raise UsageError(f"there is no kernel '{name}'", "kernels: " + ", ".join(found) + "; libraries: see `mmbench list vendors`")
    return found[name]
