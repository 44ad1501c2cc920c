"""The published figures: every shipped cell is well-formed and sourced, and a broken file is refused with its place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import mmbench.configs.chips as subject
import pytest
from mmbench.configs.chips import Cell, Chip, PublishedCache, Tag, find_chip, load_chips
from mmbench.configs.errors import SchemaError

FILES = sorted((Path(subject.__file__).parent / "chips").glob("*.toml"))

GOOD = """
schema = 1
vendor = "Acme"
arch = "x86_64"

[sources]
guide = "Acme guide, section 2 (https://example.org/guide)"

[chip.one]
title = "Acme One"
names = ["acme_one"]
identity = "guide"
cpuid = [{ family = 6, models = [1, 3] }]
l1d.size_bytes = { value = 49152, source = "guide", tag = "vendor" }
tlb.l2_4k.entries = { value = 2048, source = "guide", tag = "vendor" }
op_per_cycle."fma.f64.512" = { value = [32, 16], source = "guide", tag = "measured", note = "16 with one unit" }
op_per_cycle."dot.int8.512.avx512_vnni" = { value = 256, source = "guide", tag = "measured" }
op_per_cycle."mma.int8.amx_int8" = { value = 2048, source = "guide", tag = "measured" }
"""


def read(folder: Path, text: str) -> tuple[Chip, ...]:
    (folder / "acme.toml").write_text(text, encoding="utf-8")
    return load_chips(folder)


def all_cells(chip: Chip) -> list[Cell]:
    records = [chip.l1d, chip.l2, *chip.tlb.values()]
    named = [getattr(record, name) for record in records for name in type(record).__slots__]
    return [cell for cell in (*named, *chip.op_per_cycle.values(), *chip.latency_cycles.values()) if cell is not None]


def test_the_asked_for_cores_are_there() -> None:
    keys = {chip.key for chip in load_chips()}
    assert {"sapphirerapids", "emeraldrapids", "graniterapids", "skylake-avx512", "cascadelake", "icelake-server", "haswell"} <= keys
    assert {"skylake", "alderlake-p", "gracemont", "zen1", "zen2", "zen3", "zen4", "zen5", "a64fx", "oryon"} <= keys
    assert {"neoverse-n1", "neoverse-v1", "neoverse-n2", "neoverse-v2", "neoverse-v3"} <= keys
    assert {f"apple-m{n}-{core}" for n in (1, 2, 3, 4) for core in "pe"} <= keys


@pytest.mark.parametrize("chip", load_chips(), ids=lambda chip: chip.key)
def test_every_cell_has_a_source_and_a_plausible_value(chip: Chip) -> None:
    cells = all_cells(chip)
    assert cells, "a core without figures need not be listed"
    assert all(len(cell.source) > 20 and cell.tag in Tag for cell in cells)
    for cache, least, most in ((chip.l1d, 16 * 1024, 256 * 1024), (chip.l2, 128 * 1024, 32 * 1024**2)):
        for cell in (cache.size_bytes, cache.effective_bytes):
            assert cell is None or all(least <= value <= most and value % 1024 == 0 for value in cell.values)
        assert cache.latency_cycles is None or all(3 <= value <= 30 for value in cache.latency_cycles.values)
    for key, cell in chip.op_per_cycle.items():
        _op, dtype, *where = key.split(".")
        bits = int(re.sub(r"\D", "", dtype))
        if len(where) == 1 and where[0].isdigit():  # whole pipes: operations over those of one instruction, or half of it
            one = int(where[0]) // bits * (2 if key.startswith("fma") else 1)
            assert all(value / one in (0.5, 1, 2, 4) for value in cell.values), key


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_source_is_cited_and_every_citation_is_a_source(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cited = set(re.findall(r'(?:source|identity) = "([^"]+)"', text))
    assert cited == set(tomllib.loads(text)["sources"])


def test_ways_and_sizes_make_whole_power_of_two_sets() -> None:
    for chip in load_chips():
        for cache in (chip.l1d, chip.l2):
            if cache.size_bytes and cache.ways and len(cache.size_bytes.values) == len(cache.ways.values) == 1:
                sets = cache.size_bytes.values[0] / cache.ways.values[0] / 64
                assert sets == int(sets), chip.key
                assert int(sets) & (int(sets) - 1) == 0, chip.key


def test_a_core_is_found_by_its_numbers_whatever_name_a_hypervisor_leaves() -> None:
    found = find_chip(vendor="GenuineIntel", family=6, model=207, stepping=2, names=("icelake",))
    assert found is not None
    assert found.key == "emeraldrapids"
    assert found.l1d.size_bytes is not None
    assert found.l1d.size_bytes.values == (49152,)


@pytest.mark.parametrize(("stepping", "key"), [(4, "skylake-avx512"), (7, "cascadelake")])
def test_steppings_tell_skylake_from_cascade_lake(stepping: int, key: str) -> None:
    found = find_chip(vendor="GenuineIntel", family=6, model=85, stepping=stepping)
    assert found is not None
    assert found.key == key


def test_without_a_stepping_the_name_decides() -> None:
    assert find_chip(vendor="GenuineIntel", family=6, model=85) is None
    found = find_chip(vendor="GenuineIntel", family=6, model=85, names=("cascadelake",))
    assert found is not None
    assert found.key == "cascadelake"


def test_another_vendor_with_the_same_numbers_is_not_taken() -> None:
    assert find_chip(vendor="AuthenticAMD", family=6, model=207) is None


def test_arm_is_found_by_implementer_and_part() -> None:
    found = find_chip(implementer=0x41, part=0xD4F)
    assert found is not None
    assert found.key == "neoverse-v2"
    cobalt = find_chip(implementer=0x6D, part=0xD49)
    assert cobalt is not None
    assert cobalt.key == "neoverse-n2"


@pytest.mark.parametrize("name", ["zen4", "znver4", "Zen 4", "ZEN_4"])
def test_names_are_found_in_any_spelling(name: str) -> None:
    found = find_chip(names=("", name))
    assert found is not None
    assert found.key == "zen4"


def test_a_hybrid_chip_needs_the_kind_of_core() -> None:
    numbers = {"vendor": "GenuineIntel", "family": 6, "model": 151}
    assert find_chip(**numbers) is None
    found = {kind: find_chip(**numbers, core_kind=kind) for kind in ("P", "cpu_core", "E-core", "cpu_atom", "LP-E")}
    assert [chip and chip.key for chip in found.values()] == ["alderlake-p", "alderlake-p", "gracemont", "gracemont", None]


def test_an_unknown_core_is_none() -> None:
    assert find_chip(vendor="GenuineIntel", family=6, model=1) is None
    assert find_chip(names=("no-such-core",)) is None
    assert find_chip() is None


def test_a_rate_is_found_by_unit_before_width(tmp_path: Path) -> None:
    (chip,) = read(tmp_path, GOOD)
    fma = chip.rate("fma", "f64", 512, "avx512f")
    assert fma is not None
    assert fma.values == (32, 16)
    assert fma.nearest(17) == 16
    dot = chip.rate("dot", "int8", 512, "avx512_vnni")
    assert dot is not None
    assert dot.values == (256,)
    tile = chip.rate("mma", "int8", 8192, "amx_int8")
    assert tile is not None
    assert tile.values == (2048,)
    assert chip.rate("dot", "int8", 512, "avx512bw_pairs") is None
    assert chip.latency("fma", "f64", 512) is None


def test_levels_and_pages_are_found_by_name(tmp_path: Path) -> None:
    (chip,) = read(tmp_path, GOOD)
    assert chip.cache("L1d").size_bytes is not None
    assert chip.cache("L3") == PublishedCache()
    row = chip.translation("l2", 4096)
    assert row is not None
    assert row.entries is not None
    assert row.entries.values == (2048,)
    assert chip.translation("l2", 2 * 1024**2) is None


BROKEN = {
    "a missing source": (
        'source = "guide", tag = "vendor" }\ntlb',
        'tag = "vendor" }\ntlb',
        "chip.one.l1d.size_bytes: 'source' is missing",
    ),
    "a source nobody wrote": ('49152, source = "guide"', '49152, source = "hearsay"', "names 'hearsay', which is not in [sources]"),
    "an unknown key of a cell": ("value = 49152,", "value = 49152, vaule = 1,", "chip.one.l1d.size_bytes: unknown key 'vaule'"),
    "an unknown key of a chip": ('title = "Acme One"', 'title = "Acme One"\nl4d = 1', "chip.one: unknown key 'l4d'"),
    "an unknown key of the file": ("schema = 1", "schema = 1\nvendors = 2", "unknown key 'vendors'"),
    "an unknown tag": ('tag = "vendor" }\ntlb', 'tag = "rumour" }\ntlb', "'tag' must be one of vendor, measured, model"),
    "a word for a number": ("value = 49152", 'value = "48K"', "'value' must be a number above zero"),
    "a truth for a number": ("value = 49152", "value = true", "'value' must be a number above zero"),
    "no value": ("value = 49152, ", "", "'value' is missing"),
    "zero": ("value = 49152", "value = 0", "'value' must be a number above zero"),
    "no names": ('names = ["acme_one"]', "names = []", "'names' must be a list of words"),
    "no title": ('title = "Acme One"\n', "", "'title' is missing"),
    "a range upside down": ("models = [1, 3]", "models = [3, 1]", "cpuid[0]: 'models' must be [first, last]"),
    "a strange TLB": ("tlb.l2_4k", "tlb.l3_4k", "chip.one.tlb.l3_4k: a TLB is named"),
    "a strange rate": ('"fma.f64.512"', '"fma.f64"', "a rate is named"),
    "a rate of no operation": ('"fma.f64.512"', '"fmma.f64.512"', "a rate is named"),
    "a dot without its unit": ('"dot.int8.512.avx512_vnni"', '"dot.int8.512"', "must name its unit"),
    "a newer schema": ("schema = 1", "schema = 2", "schema 2, this program reads 1"),
    "no TOML": ("[sources]", "[sources", "acme.toml"),
    "a chip that is no table": ("[sources]", "chip.two = 5\n[sources]", "chip.two: expected a table, found 5"),
    "a core of a third kind": ('identity = "guide"', 'identity = "guide"\ncore = "middle"', "'core' must be performance or efficiency"),
}


@pytest.mark.parametrize("fault", BROKEN, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_file_is_refused_with_file_and_place(fault: str, tmp_path: Path) -> None:
    old, new, says = BROKEN[fault]
    assert old in GOOD
    with pytest.raises(SchemaError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert caught.value.message.startswith("acme.toml")
    assert says in caught.value.message
    assert caught.value.hint


def test_one_name_cannot_mean_two_cores(tmp_path: Path) -> None:
    second = GOOD[GOOD.index("[chip.one]") :].replace("chip.one", "chip.two").replace("acme_one", "Acme-One")
    with pytest.raises(SchemaError, match="'one' and 'two' both claim the name 'Acme-One'"):
        read(tmp_path, GOOD + second)
