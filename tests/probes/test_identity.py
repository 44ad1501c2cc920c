"""What a machine says of itself, inferred from captured and hand-written readings, and measured here with sources taken away."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve
from mmbench.configs.machine import Machine
from mmbench.probes import identity
from mmbench.probes.context import Context, Effort
from mmbench.probes.microarchitectures import arm_name, borrowed, same_design, x86_name

FOLDER = Path(__file__).parents[1] / "machines"
MACHINES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def inferred(readings: dict[str, Any]) -> Machine:
    return identity.infer(Curve("identity", 1, readings=readings), Machine(1, ""))


@pytest.mark.parametrize("name", MACHINES)
def test_identity_of_known_machines(name):
    machine, expect = inferred(MACHINES[name]["readings"]["identity"]), MACHINES[name]["expect"]
    for key in ("microarchitecture", "vendor", "family", "model", "hypervisor"):
        assert machine.identity[key].value == expect[key], key
    assert decode(Machine, json.loads(json.dumps(encode(machine)))) == machine


def test_every_kind_of_machine_has_a_fixture():
    assert sum(doc["origin"].startswith("synthetic") for doc in MACHINES.values()) >= 7
    assert any(doc["origin"] == "captured" for doc in MACHINES.values())


def test_a_masked_flag_does_not_change_the_design_but_is_told():
    fact = inferred(MACHINES["captured-emeraldrapids-guest"]["readings"]["identity"]).identity["microarchitecture"]
    assert fact.value == "emeraldrapids"
    assert "icelake" in fact.note


def test_cpuid_and_proc_cpuinfo_tell_the_same_numbers():
    readings = MACHINES["captured-emeraldrapids-guest"]["readings"]["identity"]
    by_cpuid, by_file = inferred(readings | {"files": {}}), inferred(readings | {"cpuid": {}})
    for key in ("brand", "vendor", "family", "model", "stepping"):
        assert by_cpuid.identity[key].value == by_file.identity[key].value
        assert by_cpuid.identity[key].by != by_file.identity[key].by


def test_midr_and_proc_cpuinfo_tell_the_same_arm_core():
    readings = MACHINES["synthetic-neoverse-v2-guest"]["readings"]["identity"]
    midr = "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"
    only_midr = inferred(readings | {"files": {midr: readings["files"][midr]}})
    only_file = inferred(readings | {"files": {"/proc/cpuinfo": readings["files"]["/proc/cpuinfo"]}})
    for machine in (only_midr, only_file):
        assert machine.identity["microarchitecture"].value == "neoverse-v2"
        assert machine.identity["stepping"].value == "r0p1"


def test_features_come_from_the_system_else_from_llvm():
    readings = MACHINES["synthetic-zen4-server"]["readings"]["identity"]
    assert "avx512_bf16" in inferred(readings).features
    without = readings | {"files": {}, "system": readings["system"] | {"llvm_features": "avx2,fma"}}
    assert inferred(without).features == ("avx2", "fma")


def test_feature_bits_do_not_follow_the_system_or_microcode():
    readings = MACHINES["captured-emeraldrapids-guest"]["readings"]["identity"]
    eax, ebx, ecx, edx = (int(word, 16) for word in readings["cpuid"]["0x7.0"].split())
    patched = f"{eax:08x} {ebx ^ (1 << 4 | 1 << 11):08x} {ecx ^ 1 << 4:08x} {edx ^ (1 << 10 | 1 << 26):08x}"
    changed = readings["cpuid"] | {"0x7.0": patched}
    assert inferred(readings | {"cpuid": changed}).identity["isa_words"] == inferred(readings).identity["isa_words"]
    other = readings["cpuid"] | {"0x7.0": f"{eax:08x} {ebx ^ 1 << 16:08x} {ecx:08x} {edx:08x}"}  # AVX-512F masked
    assert inferred(readings | {"cpuid": other}).identity["isa_words"] != inferred(readings).identity["isa_words"]


@pytest.mark.parametrize("junk", ["", "-1", "9" * 40, "\x00\xff", "max max", "nan", ": : :\n\n:", "0x"])
@pytest.mark.parametrize("name", MACHINES)
def test_nonsense_in_any_source_is_no_crash(name, junk):
    readings = MACHINES[name]["readings"]["identity"]
    broken = {key: dict.fromkeys(value, junk) if isinstance(value, dict) else value for key, value in readings.items()}
    assert inferred(broken).identity["family"] is not None
    assert inferred({}).identity["brand"].value is None


def test_what_cannot_be_known_says_why():
    machine = inferred(MACHINES["synthetic-windows-nothing"]["readings"]["identity"])
    unknown = [fact for fact in machine.identity.values() if fact.value is None]
    assert unknown
    assert all(fact.note for fact in unknown)


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "name"),
    [
        ("GenuineIntel", 6, 207, 2, "emeraldrapids"),
        ("GenuineIntel", 6, 143, 8, "sapphirerapids"),
        ("GenuineIntel", 6, 85, 4, "skylake-avx512"),
        ("GenuineIntel", 6, 85, 7, "cascadelake"),
        ("GenuineIntel", 6, 85, 11, "cooperlake"),
        ("GenuineIntel", 6, 173, 1, "graniterapids"),
        ("AuthenticAMD", 0x17, 0x31, 0, "zen2"),
        ("AuthenticAMD", 0x19, 0x21, 0, "zen3"),
        ("AuthenticAMD", 0x19, 0x61, 2, "zen4"),
        ("AuthenticAMD", 0x1A, 0x44, 0, "zen5"),
        ("HygonGenuine", 0x18, 0, 0, "zen1"),
        ("GenuineIntel", 6, 0xFE, 0, ""),
        ("AuthenticAMD", 0x99, 1, 0, ""),
        ("Nobody", 6, 207, 2, ""),
    ],
)
def test_x86_names(vendor, family, model, stepping, name):
    assert x86_name(vendor, family, model, stepping) == name


def test_arm_names():
    assert arm_name(0x41, 0xD0C) == "neoverse-n1"
    assert arm_name(0x61, 0x33) == "apple-m2"
    assert arm_name(0x41, 0xFFF) == ""


def test_spellings_of_one_design():
    assert same_design("zen4", "znver4")
    assert same_design("zen1", "zen")
    assert same_design("icelake-server", "icelake")
    assert same_design("neoverse-v2", "neoverse_v2")
    assert same_design("apple-m1", "m1")
    assert not same_design("emeraldrapids", "icelake")
    assert not same_design("zen4", "")
    assert not same_design("zen4", "zen5")


def test_measuring_without_files_still_answers(tmp_path):
    context = Context(Effort.QUICK, Machine(1, ""), root=tmp_path)
    curve = identity.measure(context)
    machine = identity.infer(curve, Machine(1, ""))
    assert machine.identity["arch"].value
    assert curve.readings["files"] == {}
    json.dumps(encode(curve))


def test_measuring_twice_says_the_same_of_what_is_stable():
    context = Context(Effort.QUICK, Machine(1, ""))
    first, second = (identity.infer(identity.measure(context), Machine(1, "")) for _ in range(2))
    assert first == second


def test_only_allowed_lines_of_cpuinfo_are_kept(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "processor\t: 0\nSerial\t\t: 00000000deadbeef\nmodel name\t: Thing 1\n\nprocessor\t: 1\nmodel name\t: Thing 1\n"
    )
    context = dataclasses.replace(Context(Effort.QUICK, Machine(1, "")), root=tmp_path)
    text = identity.measure(context).readings["files"]["/proc/cpuinfo"]
    assert "deadbeef" not in text
    assert text.count("Thing 1") == 1


def test_a_borrowed_model_number_is_not_believed():
    fact = inferred(MACHINES["captured-borrowed-number-guest"]["readings"]["identity"]).identity["microarchitecture"]
    assert fact.value is None
    assert "is rocketlake, which has no amx_tile" in fact.note
    assert "graniterapids" in fact.note


@pytest.mark.parametrize(
    ("name", "features", "impossible", "fitting"),
    [
        ("rocketlake", ("amx_fp16",), ("amx_fp16",), ("graniterapids", "diamondrapids")),
        ("sapphirerapids", ("amx_tile", "avx512_fp16"), (), ()),
        ("sapphirerapids", ("amx_tile", "amx_fp16"), ("amx_fp16",), ("graniterapids", "diamondrapids")),
        ("rocketlake", ("avx512f",), (), ()),
        ("zen5", ("amx_tile",), (), ()),  # what AMD may build one day is not for this table
        ("", ("amx_tile",), (), ()),
    ],
)
def test_features_that_a_design_cannot_have(name, features, impossible, fitting):
    assert borrowed(name, features) == (impossible, fitting)
