"""Read and make the names of kernels: `vectorized`, `openblas@numpy`, `onednn-unfused@onednn`, `openblas@given-2`.

A name is that of a kernel of ours or of a library; behind it may stand the mark of a kernel that does its epilogue in a pass of its own;
behind `@`, where the copy of a library comes from. Everything here takes names with an origin and names that were shortened to show them.
"""

from __future__ import annotations

UNFUSED = "-unfused"
GIVEN = "given"


def named(name: str, origin: str) -> str:
    """The copy of a library from this origin: `openblas@numpy`; the name alone where there is no origin."""
    return f"{name}@{origin}" if origin else name


def without_origin(kernel: str) -> str:
    """`onednn-unfused` of `onednn-unfused@onednn`."""
    return kernel.partition("@")[0]


def origin_of(kernel: str) -> str:
    """`numpy` of `openblas@numpy`; empty for a kernel of our own, and for a name that was shortened."""
    return kernel.partition("@")[2]


def library_of(kernel: str) -> str:
    """`onednn` of `onednn-unfused@onednn`: the name without origin and mark."""
    return without_origin(kernel).removesuffix(UNFUSED)


def is_unfused(kernel: str) -> bool:
    """Whether it does its epilogue in a pass of its own, to be held against its twin: such a one is no library of its own."""
    return without_origin(kernel).endswith(UNFUSED)


def fused_of(kernel: str) -> str:
    """The twin that fuses its epilogue, `onednn@onednn` of `onednn-unfused@onednn`; any other kernel is its own."""
    return named(library_of(kernel), origin_of(kernel))


def unfused_of(kernel: str) -> str:
    """The twin with its epilogue in a pass of its own, `onednn-unfused@onednn` of `onednn@onednn`; one that is that already is its own."""
    return named(library_of(kernel) + UNFUSED, origin_of(kernel))


def is_given(kernel: str) -> bool:
    """Whether this is a library that the user named by path: `openblas@given`, and `openblas@given-2` for the second file."""
    origin = origin_of(kernel)
    return origin == GIVEN or origin.startswith(f"{GIVEN}-")
