"""Load sweep profiles (`--preset`), change them by what the command line says, and expand them into the cells of a sweep.

    schema = 1
    summary = "what it is for"
    time_budget = "50s"          # left out: none
    precision = "2%"             # half-width of the interval over the time, at which a kernel was sampled enough
    check = "quick"              # or full: all tails in the correctness gate
    kernels = []                 # as for --kernels; empty: every own kernel, and the newest copy of every library
    frameworks = false           # PyTorch, JAX and MAX take part too
    every_copy = false           # of a library, not the newest only
    include = ["bert"]           # profiles that come with mmbench, whose grids are added

    [[grid]]                     # the product of all its lists; what is left out has one usual value
    shapes = ["bert-base:up+s128", "1024", "{1,4}x4096x4096"]
    origin = "…"                 # of the shapes that come from no set
    dtypes = ["f32", "int4*"]    # names, patterns, or all
    layouts = ["nn", "nt"]       # left out: each shape's own
    threads = ["1", "all"]       # numbers, 1-8, all, scaling (1, 2, 4 and so on up to all)
    temperatures = ["hot"]       # hot, cold or both
    epilogues = ["none", "bias+gelu"]
    scalars = ["1,0"]            # alpha,beta
    most_gflop = 100             # products above this are left out

A profile of one's own is a file of this form, named by its path.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .cases import LAYOUTS, STEPS, TEMPERATURES, Case
from .dtypes import MIXES
from .errors import UsageError
from .plan import Cell
from .shape_sets import shapes_of
from .tables import Table, near, read_toml
from .transformers import NamedShape
from .units import parse_duration

PROFILE_SCHEMA = 1
GIVEN = "given on the command line"  # the origin of a shape that the user typed
MOST_CELLS = 1_000_000  # several hundred bytes each: a slip of the hand shall not fill the memory
AD_HOC_SHAPES = ("64", "256", "512", "1024")  # where data types are named but no shapes
_FOLDER = Path(__file__).parent / "presets"
_ACTIVATIONS = ("relu", "gelu", "silu")
_MOST_THREADS = 65536


@dataclass(frozen=True, slots=True)
class Grid:
    """One product of lists, as written. Empty `layouts` leave each shape its own. Origin: of shapes that come from no set."""

    shapes: tuple[str, ...]
    origin: str
    dtypes: tuple[str, ...] = ("f32",)
    layouts: tuple[str, ...] = ()
    threads: tuple[str, ...] = ("1",)
    temperatures: tuple[str, ...] = ("hot",)
    epilogues: tuple[str, ...] = ("none",)
    scalars: tuple[str, ...] = ("1,0",)
    most_gflop: float = math.inf


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sweep shall do. `time_budget_s` of 0 means none; `path` is the file it was read from."""

    name: str
    summary: str
    grids: tuple[Grid, ...]
    time_budget_s: float = 0.0
    precision: float = 0.02
    check: str = "quick"
    kernels: tuple[str, ...] = ()
    frameworks: bool = False
    every_copy: bool = False
    path: str = ""

    def override(self, **lists: Iterable[str]) -> Profile:
        """With lists of the command line (shapes, dtypes, layouts, threads, temperatures, epilogues, scalars) in place of its own, in every
        grid; empty lists change nothing. Shapes that the user types are not held to `most_gflop`."""
        given = {name: tuple(values) for name, values in lists.items()}
        given = {name: values for name, values in given.items() if values}
        more: dict[str, Any] = {"origin": GIVEN, "most_gflop": math.inf} if "shapes" in given else {}
        changed: dict[str, Any] = {**given, **more}
        grids = [replace(grid, **changed) for grid in self.grids]
        return replace(self, grids=tuple(dict.fromkeys(grids)))

    def cells(self, cpus: int) -> list[Cell]:
        """Every cell, each case once (its first origin stays), in the order written; UsageError for words that mean nothing."""
        found: dict[Case, Cell] = {}
        axes = [_axes(grid, cpus) for grid in self.grids]
        count = sum(len(shapes) * math.prod(len(other) for other in others) for shapes, others in axes)
        if count > MOST_CELLS:
            raise UsageError(
                f"the grid has {count} cells; {MOST_CELLS} are the most", "name fewer shapes, data types or numbers of threads"
            )
        for shapes, others in axes:
            for cell in _expanded(shapes, others):
                found.setdefault(cell.case, cell)
        return list(found.values())


def ad_hoc(**lists: Iterable[str]) -> Profile:
    """A profile out of the command line alone: f32, one thread and hot caches where nothing else is said."""
    empty = Profile("", "given on the command line", (Grid(AD_HOC_SHAPES, "usual size"),))
    return empty.override(**lists)


def profile_names() -> list[str]:
    """The profiles that come with mmbench."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_profile(word: str) -> Profile:
    """A profile by its name, or by the path of a TOML file; UsageError where there is none, or where it cannot be understood."""
    if word in profile_names():
        return _shipped(word)
    if word.endswith(".toml") or "/" in word or "\\" in word:
        return read_profile(Path(word))
    raise UsageError(
        f"there is no preset '{word}'",
        near(word, profile_names(), "see `mmbench list presets`") + " (a file of your own is named by its path, ./mine.toml)",
    )


@functools.cache
def _shipped(name: str) -> Profile:
    return read_profile(_FOLDER / f"{name}.toml")


def read_profile(path: Path) -> Profile:
    """The profile of one file, its words checked; UsageError with file and place."""
    table = Table(str(path), read_toml(path, "preset"))
    table.schema(PROFILE_SCHEMA)
    profile = Profile(
        name=path.stem,
        summary=table.text("summary"),
        grids=(*(_grid(grid, path.stem) for grid in table.tables("grid")), *_included(table, path)),
        time_budget_s=_read(table, "time_budget", parse_duration),
        precision=_read(table, "precision", parse_share) or 0.02,
        check=table.text("check", "quick"),
        kernels=table.texts("kernels"),
        frameworks=table.truth("frameworks"),
        every_copy=table.truth("every_copy"),
        path=str(path),
    )
    table.end()
    if not profile.grids:
        raise UsageError(f"{path}: it has no [[grid]], and so no cells")
    if profile.check not in ("quick", "full"):
        raise UsageError(f"{path}: check is '{profile.check}'", "write quick or full")
    return profile


def _included(table: Table, path: Path) -> list[Grid]:
    """The grids of the profiles that are named; each of those must come with mmbench, and include none itself."""
    found: list[Grid] = []
    for name in table.texts("include"):
        if name not in profile_names() or path.resolve() == (_FOLDER / f"{name}.toml").resolve():
            raise table.error("include", f"names '{name}', which is no other preset", near(name, profile_names()))
        other = _FOLDER / f"{name}.toml"
        if "include" in read_toml(other, "preset"):
            raise table.error("include", f"names '{name}', which includes others itself")
        found += _shipped(name).grids
    return found


def _read(table: Table, key: str, parse: Callable[[str], float]) -> float:
    text = table.take(key)
    if text is None:
        return 0.0
    try:
        return parse(str(text))
    except UsageError as error:
        raise UsageError(f"{table.place}: {key}: {error.message}", error.hint) from None


def parse_share(text: str, least: float = 0.0005, most: float = 0.5) -> float:
    """`2%` or `0.02` to 0.02; UsageError otherwise. A bare number of one or more is refused: it may be meant in percent."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(%?)\s*", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not least <= share <= most:
        raise UsageError(f"'{text}' is not a share from {100 * least:g} % to {100 * most:g} %", "write it as 2% or 0.02")
    return share


def _grid(table: Table, preset: str) -> Grid:
    lists: dict[str, tuple[str, ...]] = {}
    for name in ("shapes", "dtypes", "layouts", "threads", "temperatures", "epilogues", "scalars"):
        if name in table:
            lists[name] = table.texts(name)
            if not lists[name]:
                raise table.error(name, "is an empty list", "name what is meant, or leave the key out")
    limit = table.take("most_gflop")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0):
        raise table.error("most_gflop", f"must be a number above zero, not {limit!r}")
    grid = Grid(
        **{"shapes": (), **lists},
        origin=table.text("origin", f"preset {preset}"),
        most_gflop=float(limit) if limit is not None else math.inf,
    )
    table.end()
    if not grid.shapes:
        raise table.error("shapes", "is missing")
    try:
        shapes, _ = _axes(grid, 1)
    except UsageError as error:
        raise UsageError(f"{table.place}: {error.message}", error.hint) from None
    if not shapes:
        raise table.error("most_gflop", *_leaves_nothing(grid))
    return grid


def _leaves_nothing(grid: Grid) -> tuple[str, str]:
    """(what `most_gflop` does, what would help) for a grid whose every shape is above it."""
    everyone = [named.shape for word in grid.shapes for named in shapes_of(word, grid.origin)]
    least = min(everyone, key=lambda shape: shape.operations)
    needed = least.operations / 1e9
    return (
        f"= {grid.most_gflop:g} leaves none of the shapes: {least.case('f32', '').shape} has {needed:.3g} GFLOP",
        "raise it, or name smaller shapes",
    )


def _axes(grid: Grid, cpus: int) -> tuple[list[NamedShape], list[tuple[Any, ...]]]:
    """The shapes of a grid that are small enough, and its other lists, in words that are understood."""
    shapes = [s for word in grid.shapes for s in shapes_of(word, grid.origin) if s.shape.operations <= grid.most_gflop * 1e9]
    others: list[tuple[Any, ...]] = [
        parse_dtypes(grid.dtypes),
        parse_layouts(grid.layouts) or ("",),
        parse_threads(grid.threads, cpus),
        parse_temperatures(grid.temperatures),
        parse_epilogues(grid.epilogues),
        parse_scalars(grid.scalars),
    ]
    return shapes, others


def _expanded(shapes: list[NamedShape], others: list[tuple[Any, ...]]) -> Iterator[Cell]:
    """The cells of one grid, from its axes."""
    for named in shapes:
        for dtype, layout, threads, temperature, epilogue, (alpha, beta) in itertools.product(*others):
            more = {"threads": threads, "temperature": temperature, "epilogue": epilogue, "alpha": alpha, "beta": beta}
            yield Cell(named.shape.case(dtype, layout, **more), named.origin)


def parse_dtypes(words: Iterable[str]) -> tuple[str, ...]:
    """Data types by name, by pattern (`int4*`) or `all`, each once."""
    return _chosen(words, tuple(MIXES), "data type", "see `mmbench list dtypes`")


def parse_layouts(words: Iterable[str]) -> tuple[str, ...]:
    """Layouts: nn, nt, tn, tt, a pattern, or all."""
    return _chosen(words, LAYOUTS, "layout", "")


def parse_temperatures(words: Iterable[str]) -> tuple[str, ...]:
    """hot, cold, or both."""
    return _chosen(["all" if word == "both" else word for word in words], TEMPERATURES, "temperature", "temperatures: hot, cold, both")


def _chosen(words: Iterable[str], known: tuple[str, ...], what: str, otherwise: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in words:
        matching = known if word == "all" else tuple(fnmatch.filter(known, word)) if "*" in word else tuple(k for k in known if k == word)
        if not matching:
            raise UsageError(f"there is no {what} '{word}'", near(word, known, otherwise))
        found.update(dict.fromkeys(matching))
    return tuple(found)


def parse_epilogues(words: Iterable[str]) -> tuple[str, ...]:
    """Epilogues: `none`, or steps joined by + (bias, one activation, residual), put into the order in which they are done."""
    found: dict[str, None] = {}
    for word in words:
        steps = [] if word == "none" else word.split("+")
        for step in steps:
            if not step:
                raise UsageError(f"epilogue '{word}': a step is missing", "write steps joined by +, such as bias+gelu, or none")
            if step not in STEPS:
                raise UsageError(f"epilogue '{word}': there is no step '{step}'", near(step, STEPS, f"steps: {', '.join(STEPS)}, or none"))
        if len(set(steps)) < len(steps) or sum(step in _ACTIVATIONS for step in steps) > 1:
            raise UsageError(f"epilogue '{word}': each step once, and one activation at most", "such as bias+gelu+residual")
        found["+".join(sorted(steps, key=STEPS.index))] = None
    return tuple(found)


def parse_scalars(words: Iterable[str]) -> tuple[tuple[float, float], ...]:
    """Pairs `alpha,beta` such as `0.7,1.3`."""
    found: dict[tuple[float, float], None] = {}
    for word in words:
        parts = re.fullmatch(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*,\s*(-?[0-9]+(?:\.[0-9]+)?)\s*", word)
        if not parts or len(word) > 40:
            raise UsageError(f"'{word[:40]}' is no pair alpha,beta", "write two numbers, such as 1,0 or 0.7,1.3")
        found[float(parts[1]) + 0.0, float(parts[2]) + 0.0] = None  # -0 is 0: one question, one name
    return tuple(found)


def parse_threads(words: Iterable[str], cpus: int) -> tuple[int, ...]:
    """Numbers of threads: `4`, `1-8`, `1,2,4`, `all` (the CPUs that may be used), `scaling` (1, 2, 4 and so on, and all); each once.

    Numbers above `cpus` are kept: the plan says why they cannot be had.
    """
    found: dict[int, None] = {}
    for word in (part.strip() for text in words for part in text.split(",")):
        if word == "all":
            found[cpus] = None
        elif word == "scaling":
            found.update(dict.fromkeys([1 << i for i in range(cpus.bit_length()) if 1 << i < cpus] + [cpus]))
        else:
            match = re.fullmatch(r"([0-9]{1,30})(?:-([0-9]{1,30}))?", word)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
            if not 1 <= first <= last:
                raise UsageError(f"'{word[:40]}' is no number of threads", "write 1, 1-8, 1,2,4, all or scaling")
            if last > _MOST_THREADS:
                raise UsageError(
                    f"{last} threads: {_MOST_THREADS} are the most that can be asked for", "write all for every CPU that may be used"
                )
            found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)
