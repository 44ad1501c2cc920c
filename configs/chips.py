"""Load what is published of chips: sizes, latencies and rates, with the source of every figure.

The figures lie in `chips/*.toml`, one file a vendor family, one table a core design:

    schema = 1
    vendor = "AuthenticAMD"        # as the chip names itself (CPUID vendor, or the MIDR implementer's name)
    arch = "x86_64"

    [sources]                      # written once, cited by key
    guide = "AMD, Software Optimization Guide, section 2.6 (https://...)"

    [chip.zen4]
    title = "Zen 4"
    names = ["zen4", "znver4"]                              # archspec, LLVM and common names
    cpuid = [{ family = 25, models = [16, 31] }]            # or midr = [{ implementer = 65, parts = [3407] }]
    identity = "guide"                                      # source of names and numbers
    l1d.size_bytes = { value = 32768, source = "guide", tag = "vendor" }
    tlb.l2_4k.entries = { value = 3072, source = "guide", tag = "vendor" }
    op_per_cycle."fma.f32.256" = { value = 32, source = "guide", tag = "measured" }

Every figure is a cell with a source; a list of values names variants (models with one FMA unit, a configurable L2). A key of
a rate is `op.dtype.width`, `op.dtype.width.unit` or `op.dtype.unit`; a dot or matrix product always names its unit, because
two units of one width differ. Operations are counted as in `UnitRate`: a multiply-add is 2 for each element or product.

A figure without a source does not exist: cells are missing on purpose wherever none was found.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from .errors import SchemaError

CHIPS_SCHEMA = 1
_FOLDER = Path(__file__).parent / "chips"
_HINT = "see the head of configs/chips.py for the form of these files"


class Tag(StrEnum):
    """What kind of source a figure has, in falling order of trust."""

    VENDOR = "vendor"  # a guide, a data sheet, or what the chip says of itself
    MEASURED = "measured"
    MODEL = "model"  # a compiler's or analyser's table of instructions


@dataclass(frozen=True, slots=True)
class Cell:
    """One published figure. Several `values` are variants of the chip, or a range that its source gives."""

    values: tuple[float, ...]
    source: str
    tag: Tag
    note: str = ""

    def nearest(self, measured: float) -> float:
        """The variant that lies closest to `measured`."""
        return min(self.values, key=lambda value: abs(value - measured))


@dataclass(frozen=True, slots=True)
class PublishedCache:
    """One cache level: bytes, ways, load-to-use cycles, and the bytes that one core was measured to reach (`effective`)."""

    size_bytes: Cell | None = None
    ways: Cell | None = None
    latency_cycles: Cell | None = None
    effective_bytes: Cell | None = None


@dataclass(frozen=True, slots=True)
class PublishedTlb:
    """One TLB for one page size: entries, entries that were measured to be reachable, cycles that a miss adds."""

    entries: Cell | None = None
    effective_entries: Cell | None = None
    miss_cycles: Cell | None = None


@dataclass(frozen=True, slots=True)
class CpuidRange:
    """x86 family and an inclusive range of models; `steppings` empty means all of them."""

    family: int
    models: tuple[int, int]
    steppings: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class MidrPart:
    """Arm implementer code and one part number (MIDR_EL1)."""

    implementer: int
    part: int


@dataclass(frozen=True, slots=True)
class Chip:
    """What is published of one core design. `core` is `performance` or `efficiency` on hybrid chips, else empty."""

    key: str
    title: str
    vendor: str
    arch: str
    names: tuple[str, ...]
    identity: str
    core: str = ""
    cpuid: tuple[CpuidRange, ...] = ()
    midr: tuple[MidrPart, ...] = ()
    l1d: PublishedCache = PublishedCache()
    l2: PublishedCache = PublishedCache()
    tlb: Mapping[str, PublishedTlb] = field(default_factory=dict)
    op_per_cycle: Mapping[str, Cell] = field(default_factory=dict)
    latency_cycles: Mapping[str, Cell] = field(default_factory=dict)

    def cache(self, level: str) -> PublishedCache:
        """The published figures of `L1d` or `L2`; an empty record for any other level."""
        return {"l1d": self.l1d, "l1": self.l1d, "l2": self.l2}.get(level.lower(), PublishedCache())

    def rate(self, op: str, dtype: str, width_bits: int, unit: str = "") -> Cell | None:
        """Published operations per cycle of one core, or None."""
        return _look_up(self.op_per_cycle, op, dtype, width_bits, unit)

    def latency(self, op: str, dtype: str, width_bits: int, unit: str = "") -> Cell | None:
        """Published latency of one instruction in cycles, or None."""
        return _look_up(self.latency_cycles, op, dtype, width_bits, unit)

    def translation(self, level: str, page_bytes: int) -> PublishedTlb | None:
        """The published TLB `l1d` or `l2` for a page size, or the one that serves every page size, or None."""
        page = {4096: "4k", 16384: "16k", 65536: "64k", 2 * 1024**2: "2m", 1024**3: "1g"}.get(page_bytes, str(page_bytes))
        return self.tlb.get(f"{level}_{page}") or self.tlb.get(f"{level}_any")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _look_up(cells: Mapping[str, Cell], op: str, dtype: str, width_bits: int, unit: str) -> Cell | None:
    unit = _plain(unit)
    for key in (f"{op}.{dtype}.{width_bits}.{unit}", f"{op}.{dtype}.{unit}", f"{op}.{dtype}.{width_bits}"):
        if key in cells:
            return cells[key]
    return None


@functools.cache
def load_chips(folder: Path = _FOLDER) -> tuple[Chip, ...]:
    """Every chip of every `*.toml` in `folder`, in the order of the files. SchemaError names file and place of a fault."""
    chips = [chip for path in sorted(folder.glob("*.toml")) for chip in _read_file(path)]
    seen: dict[str, str] = {}
    for chip in chips:
        for name in chip.names:
            owner = seen.setdefault(f"{_plain(name)}/{chip.core}", chip.key)
            if owner != chip.key:
                raise SchemaError(f"configs/chips: '{owner}' and '{chip.key}' both claim the name '{name}'", _HINT)
    return tuple(chips)


def find_chip(
    *,
    vendor: str = "",
    family: int | None = None,
    model: int | None = None,
    stepping: int | None = None,
    implementer: int | None = None,
    part: int | None = None,
    names: tuple[str, ...] = (),
    core_kind: str = "",
    chips: tuple[Chip, ...] | None = None,
) -> Chip | None:
    """The published figures of a core, or None when there are none.

    Numbers decide before `names` (any spelling of archspec, LLVM or `probes.microarchitectures`), because names are guessed
    from feature flags where a hypervisor hides some. On a hybrid chip `core_kind` chooses (`performance`, `P-core`,
    `efficiency`, `atom`…); without it nothing is found there, as either answer would be a guess.
    """
    known = load_chips() if chips is None else chips
    found: list[Chip] = []
    if family is not None and model is not None:
        found = [c for c in known if _same_vendor(c, vendor) and any(_covers(r, family, model, stepping) for r in c.cpuid)]
    elif implementer is not None and part is not None:
        found = [c for c in known if MidrPart(implementer, part) in c.midr]
    if not found and (plain := {_plain(name) for name in names if name}):
        found = [c for c in known if plain & {_plain(name) for name in c.names}]
    wanted = _core_word(core_kind)
    if len({c.core for c in found}) > 1 or (wanted and any(c.core for c in found)):
        found = [c for c in found if c.core == wanted]
    return found[0] if len(found) == 1 else None


def _same_vendor(chip: Chip, vendor: str) -> bool:
    return not vendor or vendor == chip.vendor


def _covers(numbers: CpuidRange, family: int, model: int, stepping: int | None) -> bool:
    if family != numbers.family or not numbers.models[0] <= model <= numbers.models[1]:
        return False
    return numbers.steppings is None or (stepping is not None and numbers.steppings[0] <= stepping <= numbers.steppings[1])


def _core_word(kind: str) -> str:
    plain = _plain(kind)
    if plain.startswith(("p", "core", "intelcore", "big", "cpucore")):
        return "performance"
    return "efficiency" if plain.startswith(("e", "atom", "intelatom", "little", "cpuatom")) else ""


# --- reading ----------------------------------------------------------------------------------------------------------------

_FILE_KEYS = {"schema", "vendor", "arch", "sources", "chip"}
_CHIP_KEYS = {"title", "names", "identity", "core", "cpuid", "midr", "l1d", "l2", "tlb", "op_per_cycle", "latency_cycles"}
_CELL_KEYS = {"value", "source", "tag", "note"}
_CACHE_KEYS = {"size_bytes", "ways", "latency_cycles", "effective_bytes"}
_TLB_KEYS = {"entries", "effective_entries", "miss_cycles"}
_OPS = {"fma", "add", "mul", "fma+add", "dot", "mma"}
_TLB_NAME = re.compile(r"(l1d|l2)_(4k|16k|64k|2m|1g|any)")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file the reader stands, and the sources that the file names."""

    file: str
    path: str
    sources: Mapping[str, str]

    def at(self, step: str) -> _Place:
        return _Place(self.file, f"{self.path}.{step}" if self.path else step, self.sources)

    def fail(self, what: str) -> SchemaError:
        return SchemaError(f"{self.file}: {self.path or 'top'}: {what}", _HINT)

    def table(self, value: Any, allowed: set[str] | None = None) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(f"expected a table, found {value!r}")
        unknown = sorted(set(value) - allowed) if allowed is not None else []
        if unknown:
            raise self.fail(f"unknown key '{unknown[0]}' (known: {', '.join(sorted(allowed or ()))})")
        return value

    def word(self, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            raise self.fail(f"'{key}' must be a word, found {value!r}" if key in table else f"'{key}' is missing")
        return value

    def whole(self, table: Mapping[str, Any], key: str) -> int:
        value = table.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.fail(f"'{key}' must be a whole number, found {value!r}" if key in table else f"'{key}' is missing")
        return value

    def cite(self, table: Mapping[str, Any], key: str) -> str:
        cited = self.word(table, key)
        if cited not in self.sources:
            raise self.fail(f"'{key}' names '{cited}', which is not in [sources]")
        return self.sources[cited]


def _read_file(path: Path) -> list[Chip]:
    start = _Place(path.name, "", {})
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SchemaError(f"{path.name}: {error}", _HINT) from None
    start.table(content, _FILE_KEYS)
    if start.whole(content, "schema") != CHIPS_SCHEMA:
        raise start.fail(f"schema {content['schema']}, this program reads {CHIPS_SCHEMA}")
    at_sources = start.at("sources")
    named = at_sources.table(content.get("sources", {}))
    place = _Place(path.name, "", {key: at_sources.word(named, key) for key in named})
    vendor, arch = place.word(content, "vendor"), place.word(content, "arch")
    tables = place.table(content.get("chip", {}))
    return [_read_chip(key, place.at(f"chip.{key}"), value, vendor, arch) for key, value in tables.items()]


def _read_chip(key: str, place: _Place, value: Any, vendor: str, arch: str) -> Chip:
    table = place.table(value, _CHIP_KEYS)
    names = table.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise place.fail(f"'names' must be a list of words, found {names!r}")
    core = table.get("core", "")
    if core not in ("", "performance", "efficiency"):
        raise place.fail(f"'core' must be performance or efficiency, found {core!r}")
    tlbs = place.at("tlb").table(table.get("tlb", {}))
    for name in tlbs:
        if not _TLB_NAME.fullmatch(name):
            raise place.at(f"tlb.{name}").fail("a TLB is named l1d or l2, an underscore, and a page size (4k, 16k, 64k, 2m, 1g, any)")
    return Chip(
        key=key,
        title=place.word(table, "title"),
        vendor=vendor,
        arch=arch,
        names=tuple(names),
        identity=place.cite(table, "identity"),
        core=core,
        cpuid=tuple(_read_cpuid(place.at(f"cpuid[{i}]"), row) for i, row in enumerate(_rows(place, table, "cpuid"))),
        midr=tuple(part for i, row in enumerate(_rows(place, table, "midr")) for part in _read_midr(place.at(f"midr[{i}]"), row)),
        l1d=PublishedCache(**_cells(place.at("l1d"), table.get("l1d", {}), _CACHE_KEYS)),
        l2=PublishedCache(**_cells(place.at("l2"), table.get("l2", {}), _CACHE_KEYS)),
        tlb={name: PublishedTlb(**_cells(place.at(f"tlb.{name}"), row, _TLB_KEYS)) for name, row in tlbs.items()},
        op_per_cycle=_read_rates(place.at("op_per_cycle"), table.get("op_per_cycle", {})),
        latency_cycles=_read_rates(place.at("latency_cycles"), table.get("latency_cycles", {})),
    )


def _rows(place: _Place, table: Mapping[str, Any], key: str) -> list[Any]:
    rows = table.get(key, [])
    if not isinstance(rows, list):
        raise place.fail(f"'{key}' must be a list of tables, found {rows!r}")
    return rows


def _read_cpuid(place: _Place, row: Any) -> CpuidRange:
    table = place.table(row, {"family", "models", "steppings"})
    steppings = _pair(place, table, "steppings") if "steppings" in table else None
    return CpuidRange(place.whole(table, "family"), _pair(place, table, "models"), steppings)


def _pair(place: _Place, table: Mapping[str, Any], key: str) -> tuple[int, int]:
    value = table.get(key)
    if not isinstance(value, list) or len(value) != 2 or not all(type(v) is int for v in value) or value[0] > value[1]:
        raise place.fail(f"'{key}' must be [first, last], found {value!r}")
    return value[0], value[1]


def _read_midr(place: _Place, row: Any) -> list[MidrPart]:
    table = place.table(row, {"implementer", "parts"})
    parts = table.get("parts")
    if not isinstance(parts, list) or not parts or not all(type(part) is int for part in parts):
        raise place.fail(f"'parts' must be a list of whole numbers, found {parts!r}")
    return [MidrPart(place.whole(table, "implementer"), part) for part in parts]


def _cells(place: _Place, value: Any, allowed: set[str]) -> dict[str, Cell]:
    return {key: _read_cell(place.at(key), cell) for key, cell in place.table(value, allowed).items()}


def _read_cell(place: _Place, value: Any) -> Cell:
    table = place.table(value, _CELL_KEYS)
    if "value" not in table:
        raise place.fail("'value' is missing")
    figures = table["value"] if isinstance(table["value"], list) else [table["value"]]
    if not figures or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and v > 0 for v in figures):
        raise place.fail(f"'value' must be a number above zero or a list of them, found {table['value']!r}")
    try:
        tag = Tag(place.word(table, "tag"))
    except ValueError:
        raise place.fail(f"'tag' must be one of {', '.join(Tag)}, found {table['tag']!r}") from None
    note = place.word(table, "note") if "note" in table else ""
    return Cell(tuple(float(v) for v in figures), place.cite(table, "source"), tag, note)


def _read_rates(place: _Place, value: Any) -> dict[str, Cell]:
    rates = {}
    for key, cell in place.table(value).items():
        words = key.split(".")
        named_unit = not words[-1].isdigit()
        if len(words) not in (3, 4) or words[0] not in _OPS or (len(words) == 4 and not (words[2].isdigit() and named_unit)):
            raise place.at(f'"{key}"').fail("a rate is named op.dtype.width, op.dtype.width.unit or op.dtype.unit")
        if words[0] in ("dot", "mma") and not named_unit:
            raise place.at(f'"{key}"').fail("a dot or matrix product must name its unit")
        plain = ".".join((*words[:-1], _plain(words[-1])))
        rates[plain] = _read_cell(place.at(f'"{key}"'), cell)
    return rates
