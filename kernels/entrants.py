"""Choose who takes part in a sweep: kernels of our own, and the copies of vendors' libraries on this machine; say which are absent.

Words that choose (`--kernels`): a kernel (`vectorized`), a library's newest copy (`openblas`, `onednn-unfused`), one copy
(`openblas@numpy`), every copy that fits a pattern (`openblas@*`), every library (`vendor/*`), every kernel of our own (`own/*`).
Nothing is loaded here.
"""

from __future__ import annotations

import fnmatch
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..configs.errors import MmbenchError, NotPossibleError, UsageError
from ..configs.kernel_names import is_given, library_of, named, unfused_of, without_origin
from ..configs.plan import Entrant
from ..configs.tables import near
from . import registry
from .vendor import library as vendor
from .vendor.library import Found, Library
from .vendor.stated import version_key


@dataclass(frozen=True, slots=True)
class Absent:
    """A library that is not on this machine: why, and the command that brings it ("" where none does)."""

    name: str
    title: str
    reason: str
    bring: str


@dataclass(frozen=True, slots=True)
class _Offer:
    """An entrant, and whether it takes part without being named."""

    entrant: Entrant
    newest: bool


def find_entrants(
    wanted: tuple[str, ...] = (),
    given: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    *,
    frameworks: bool = False,
    every_copy: bool = False,
) -> tuple[list[Entrant], list[Absent]]:
    """Who takes part, and which libraries are absent.

    `wanted`: words as above; without any, every own kernel, the newest copy of each library, and frameworks where `frameworks` is true.
    `given`: libraries by path, `{"openblas": "/path/to/lib.so"}`, or pairs where a name comes more than once; they take part beside the
    newest copy, as `openblas@given`, `openblas@given-2` and so on in the order given.
    `every_copy`: of each library that was not named with its copy. UsageError for words that name nothing that mmbench knows, and for paths
    that cannot be read; NotPossibleError for a copy that is not here; a library that is not installed is no error, but an Absent.
    """
    by_path = _given_copies(given.items() if isinstance(given, Mapping) else given)
    own = [Entrant(name, "own", kernel.version, kernel.title) for name, kernel in registry.own_kernels().items()]
    offers: dict[str, list[_Offer]] = {}
    absent: dict[str, Absent] = {}
    for name, files in by_path.items():
        offers[name] = _offers(vendor.library(name), files, all_newest=True)
    for name, library in vendor.libraries().items():
        copies, reason = copies_of(library)
        if copies:
            offers[name] = [*offers.get(name, []), *_offers(library, copies, all_newest=every_copy or library.kind == "framework")]
        elif name not in offers:
            absent[name] = Absent(name, library.title, reason, library.bring)
    offers = {name: _distinct(found) for name, found in sorted(offers.items())}
    if not wanted:
        libraries = vendor.libraries()
        usual = {name for name in libraries if frameworks or libraries[name].kind != "framework" or name in by_path}
        chosen = [*own, *(o.entrant for name, found in offers.items() if name in usual for o in found if o.newest)]
        return chosen, [a for name, a in absent.items() if name in usual]
    found: dict[str, Entrant] = {}
    missing: dict[str, Absent] = {}
    for word in wanted:
        entrants, lacking = _chosen(word, own, offers, absent)
        found.update((e.kernel, e) for e in entrants)
        missing.update((a.name, a) for a in lacking)
    # whoever names a file wants it to take part
    found.update((o.entrant.kernel, o.entrant) for name in by_path for o in offers[name] if is_given(o.entrant.kernel))
    return list(found.values()), list(missing.values())


def copies_of(library: Library) -> tuple[list[Found], str]:
    """The copies of a library, the newest first, or why there are none; a broken installation must not hide the other libraries."""
    try:
        copies = list(library.find())
    except MmbenchError as error:
        return [], error.message
    except (OSError, ValueError) as error:
        return [], f"could not be looked for: {error}"
    if copies:
        return sorted(copies, key=lambda copy: version_key(library.stated(copy)), reverse=True), ""  # stable: else as `find` has them
    machine = platform.machine().lower()
    here = {machine, {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine), "macos" if sys.platform == "darwin" else sys.platform}
    if library.platforms and not here & set(library.platforms):
        return [], f"not for {platform.system()} on {machine}: it exists for {', '.join(library.platforms)}"
    return [], "not installed"


def _given_copies(given: Iterable[tuple[str, str]]) -> dict[str, list[Found]]:
    """Libraries named by path, in the order given; UsageError for one that cannot be read, and for a file that comes twice."""
    copies: dict[str, list[Found]] = {}
    for name, path in given:
        library, found, word = vendor.library(name), vendor.given(name, path), f"{name}={path}"
        if library.kind == "framework":
            raise UsageError(f"--library {word}: {library.title} is imported by Python, not loaded from a file", "choose it with --kernels")
        for other in copies.setdefault(name, []):
            if Path(other.path).samefile(found.path):
                raise UsageError(f"--library {word}: the same file was given before, as {other.path}", "give each file once")
        copies[name].append(found)
    return copies


def _offers(library: Library, copies: Iterable[Found], *, all_newest: bool) -> list[_Offer]:
    """Entrants of the copies, with their unfused twins."""
    offers = []
    for number, copy in enumerate(copies):
        kernel = named(library.name, copy.origin)
        twins = {kernel: library.title}
        if library.unfused:
            twins[unfused_of(kernel)] = f"{library.title}, epilogue in a pass of its own"
        for name, title in twins.items():
            entrant = Entrant(name, library.kind, library.version, title, copy.path, copy.package_version)
            offers.append(_Offer(entrant, all_newest or number == 0))
    return offers


def _distinct(offers: list[_Offer]) -> list[_Offer]:
    """Two files of one origin (two builds in one system) get names of their own: `openblas@debian`, `openblas@debian-2`."""
    seen: dict[str, int] = {}
    distinct = []
    for offer in offers:
        entrant = offer.entrant
        seen[entrant.kernel] = count = seen.get(entrant.kernel, 0) + 1
        if count > 1:
            name = f"{entrant.kernel}-{count}"
            entrant = Entrant(name, entrant.kind, entrant.version, entrant.title, entrant.path, entrant.package_version)
        distinct.append(_Offer(entrant, offer.newest))
    return distinct


def _chosen(
    word: str, own: list[Entrant], offers: Mapping[str, list[_Offer]], absent: Mapping[str, Absent]
) -> tuple[list[Entrant], list[Absent]]:
    """What one word names."""
    everyone = [*own, *(o.entrant for found in offers.values() for o in found)]
    if word == "own/*":
        return own, []
    if word == "vendor/*":
        listed = [o.entrant for found in offers.values() for o in found if o.newest and o.entrant.kind == "library"]
        libraries = vendor.libraries()
        return listed, [a for name, a in absent.items() if libraries[name].kind == "library"]
    word = word.removeprefix("vendor/").removeprefix("own/")
    if "*" in word:
        return _fitting(word, everyone, offers, absent)
    exact = [e for e in everyone if e.kernel == word]
    if exact:
        return exact, []
    library = library_of(word)
    if library in absent:
        return [], [absent[library]]
    newest = [o.entrant for o in offers.get(library, []) if o.newest and without_origin(o.entrant.kernel) == word]
    if newest:
        return newest, []
    if library in offers:
        copies = ", ".join(o.entrant.kernel for o in offers[library])
        raise NotPossibleError(f"there is no '{word}' on this machine", f"of {library} there are: {copies}")
    known = [*(e.kernel for e in own), *offers, *absent, *(e.kernel for e in everyone)]
    raise UsageError(f"there is no kernel or library '{word}'", near(word, known, "see `mmbench list kernels` and `mmbench list vendors`"))


def _fitting(
    pattern: str, everyone: list[Entrant], offers: Mapping[str, list[_Offer]], absent: Mapping[str, Absent]
) -> tuple[list[Entrant], list[Absent]]:
    """Every copy that fits where the pattern holds @; else kernels of our own and newest copies by name."""
    newest = {o.entrant.kernel for found in offers.values() for o in found if o.newest}
    if "@" in pattern:
        found = [e for e in everyone if fnmatch.fnmatchcase(e.kernel, pattern)]
    else:
        found = [e for e in everyone if (e.kind == "own" or e.kernel in newest) and fnmatch.fnmatchcase(without_origin(e.kernel), pattern)]
    lacking = [a for name, a in absent.items() if fnmatch.fnmatchcase(name, without_origin(pattern))]
    if not found and not lacking:
        raise UsageError(f"no kernel or library fits '{pattern}'", "see `mmbench list kernels` and `mmbench list vendors`")
    return found, lacking
