"""Say, in a worker of either side, which kernels its interpreter has and in which versions their packages are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from ...configs.codec import encode
from ...configs.errors import MmbenchError
from ...configs.kernel_names import origin_of
from ...configs.plan import Entrant
from ..entrants import find_entrants
from ..measure.worker import Progress
from ..vendor.discovery import package_version

ALWAYS = ("numpy", "scipy", "llvmlite", "numba", "ml-dtypes")  # what makes machine code, or carries some


def describe(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """{wanted} to {entrants, chosen, packages}: every kernel and copy that is there, those that the words of `wanted` choose, versions."""
    everyone, _ = find_entrants(frameworks=True, every_copy=True)
    return {
        "entrants": [encode(entrant) for entrant in everyone],
        "chosen": [encode(entrant) for entrant in chosen(tuple(arguments["wanted"]))],
        "packages": packages_of(everyone),
    }


def chosen(wanted: tuple[str, ...]) -> list[Entrant]:
    """What these words choose in this interpreter. A word for what is not here chooses nothing: it was meant for another interpreter."""
    with contextlib.suppress(MmbenchError):
        return find_entrants(wanted)[0]
    found: dict[str, Entrant] = {}
    for word in wanted:
        with contextlib.suppress(MmbenchError):
            found.update((entrant.kernel, entrant) for entrant in find_entrants((word,))[0])
    return list(found.values())


def packages_of(entrants: Iterable[Entrant]) -> dict[str, str]:
    """Versions of the packages that matter, by distribution: those of `ALWAYS`, and those that the entrants came with."""
    names = dict.fromkeys(ALWAYS)
    for entrant in entrants:
        if entrant.kind == "framework":
            names[entrant.library] = None
        elif entrant.package_version:
            origin = origin_of(entrant.kernel)
            # a second copy of one package has a word more: `onednn@onednn-2`
            names[next((name for name in _shorter(origin) if package_version(name) == entrant.package_version), origin)] = None
    return {name: version for name in names if (version := package_version(name))}


def _shorter(origin: str) -> list[str]:
    """`a-b-c`, `a-b`, `a`."""
    words = origin.split("-")
    return ["-".join(words[:count]) for count in range(len(words), 0, -1)]
