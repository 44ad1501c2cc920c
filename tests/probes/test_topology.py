"""Layout and claims of known machines, and an id that stays."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve
from mmbench.configs.machine import Machine
from mmbench.probes import identity, topology
from mmbench.probes.claims import cache_claims, tlb_claims
from mmbench.probes.context import Context, Effort
from mmbench.probes.topology import fingerprint, machine_id

FOLDER = Path(__file__).parents[1] / "machines"
MACHINES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def inferred(readings: dict[str, Any]) -> Machine:
    machine = identity.infer(Curve("identity", 1, readings=readings["identity"]), Machine(1, ""))
    return topology.infer(Curve("topology", 1, readings=readings["topology"]), machine)


@pytest.mark.parametrize("name", MACHINES)
def test_topology_of_known_machines(name):
    machine, expect = inferred(MACHINES[name]["readings"]), MACHINES[name]["expect"]
    assert machine.topology is not None
    for key in ("packages", "cores", "threads", "nodes"):
        assert getattr(machine.topology, key).value == expect[key], key
    assert list(machine.topology.kinds) == expect["kinds"]
    assert machine.id.startswith(expect["id"])
    assert decode(Machine, json.loads(json.dumps(encode(machine)))) == machine


@pytest.mark.parametrize("name", MACHINES)
def test_claims_of_known_machines(name):
    expect = MACHINES[name]["expect"]
    claims = [list(dataclasses.astuple(claim)) for claim in inferred(MACHINES[name]["readings"]).cache_claims]
    for claim in expect["claims"]:
        assert claim in claims
    if not expect["claims"]:
        assert claims == []
    tlbs = [list(dataclasses.astuple(claim)) for claim in tlb_claims(Curve("topology", 1, readings=MACHINES[name]["readings"]["topology"]))]
    for claim in expect["tlbs"]:
        assert claim in tlbs
    if not expect["tlbs"]:
        assert tlbs == []


def test_kinds_of_core_of_a_hybrid_chip_are_kept_apart():
    machine = inferred(MACHINES["synthetic-alderlake-hybrid"]["readings"])
    assert machine.topology is not None
    assert [cpu.kind for cpu in machine.topology.cpus] == ["P"] * 16 + ["E"] * 4
    assert machine.topology.cpus[0].core == machine.topology.cpus[1].core != machine.topology.cpus[2].core


def test_kinds_by_core_type_where_the_files_are_hidden():
    readings = copy.deepcopy(MACHINES["synthetic-alderlake-hybrid"]["readings"])
    readings["topology"]["files"] = {}
    machine = inferred(readings)
    assert machine.topology is not None
    assert machine.topology.kinds == ("P", "E")
    assert {cpu.id: cpu.kind for cpu in machine.topology.cpus}[16] == "E"


def arm_phone(capacities: dict[int, int], parts: dict[int, str]) -> dict[str, Any]:
    cpus = range(len(capacities))
    blocks = "\n\n".join(
        f"processor\t: {c}\nCPU implementer\t: 0x41\nCPU part\t: {parts[c]}\nCPU variant\t: 0x0\nCPU revision\t: 0" for c in cpus
    )
    files = {"/proc/cpuinfo": blocks, "/sys/devices/system/cpu/online": f"0-{len(capacities) - 1}"}
    files |= {f"/sys/devices/system/cpu/cpu{c}/cpu_capacity": str(value) for c, value in capacities.items()}
    return {"identity": {"files": {"/proc/cpuinfo": blocks}}, "topology": {"files": files}}


def test_kinds_by_capacity_on_arm():
    parts = dict.fromkeys(range(4), "0xd46") | dict.fromkeys(range(4, 7), "0xd47") | {7: "0xd48"}
    machine = inferred(arm_phone(dict.fromkeys(range(4), 250) | dict.fromkeys(range(4, 7), 800) | {7: 1024}, parts))
    assert machine.topology is not None
    assert machine.topology.kinds == ("P", "M", "E")
    assert [cpu.kind for cpu in machine.topology.cpus] == ["E"] * 4 + ["M"] * 3 + ["P"]


def test_favoured_cores_are_no_kind_of_their_own():
    machine = inferred(arm_phone({0: 1024, 1: 1000, 2: 980, 3: 1024}, dict.fromkeys(range(4), "0xd4f")))
    assert machine.topology is not None
    assert machine.topology.kinds == ("",)


def test_two_sockets_share_nothing():
    machine = inferred(MACHINES["synthetic-two-socket-numa"]["readings"])
    assert machine.topology is not None
    by_id = {cpu.id: cpu for cpu in machine.topology.cpus}
    assert (by_id[0].package, by_id[8].package) == (0, 1)
    assert (by_id[0].node, by_id[8].node) == (0, 1)
    assert by_id[0].core == by_id[16].core
    assert by_id[0].core != by_id[8].core
    assert machine.topology.allowed == tuple(range(8))


def test_the_id_is_the_same_with_files_hidden_on_x86():
    readings = MACHINES["captured-emeraldrapids-guest"]["readings"]
    hidden = copy.deepcopy(readings)
    for probe in ("identity", "topology"):
        hidden[probe]["files"] = {}
    hidden["topology"]["getconf"] = {}
    assert inferred(hidden).id == inferred(readings).id


def test_the_id_does_not_follow_speed_kernel_microcode_or_the_cpu_that_was_asked():
    readings = MACHINES["captured-emeraldrapids-guest"]["readings"]
    changed = copy.deepcopy(readings)
    changed["identity"]["system"] |= {"kernel": "7.0", "python": "CPython 3.13.0", "archspec": "sapphirerapids"}
    eax, ebx, ecx, edx = readings["identity"]["cpuid"]["0x1.0"].split()
    changed["identity"]["cpuid"]["0x1.0"] = f"{eax} {int(ebx, 16) ^ 1 << 24:08x} {ecx} {edx}"  # another APIC id
    changed["topology"]["allowed"] = [1]
    changed["topology"]["cpu"] = 1
    assert inferred(changed).id == inferred(readings).id


def test_the_id_follows_features_caches_and_cores():
    readings = MACHINES["captured-emeraldrapids-guest"]["readings"]
    ids = {inferred(readings).id}
    for probe, leaf, words in (
        ("identity", "0x7.0", "00000002 f1be2ffb 1a415f46 20814010"),
        ("topology", "0x4.2", "04000143 03c0003f 000003ff 00000000"),
        ("topology", "0xb.0", "00000001 00000002 00000100 00000001"),
    ):
        changed = copy.deepcopy(readings)
        changed[probe]["cpuid"][leaf] = words
        ids.add(inferred(changed).id)
    more = copy.deepcopy(readings)
    more["topology"]["files"]["/sys/devices/system/cpu/online"] = "0-3"
    ids.add(inferred(more).id)
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("brand", "word"),
    [
        ("AMD Ryzen 9 9950X 16-Core Processor", "9950x"),
        ("Intel(R) Xeon(R) Platinum 8488C", "8488c"),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "e5-2680-v4"),
        ("12th Gen Intel(R) Core(TM) i7-12700K", "i7-12700k"),
        ("Intel(R) Core(TM) Ultra 7 155H", "ultra-7-155h"),
        ("Apple M4 Max", "m4-max"),
        ("AMD EPYC 7B13", "7b13"),
        ("Intel(R) Xeon(R) Processor @ 2.30GHz", "2c"),
        ("Intel(R) Xeon(R) Processor", "2c"),
    ],
)
def test_products_in_ids(brand, word):
    machine = inferred(MACHINES["captured-emeraldrapids-guest"]["readings"])
    known = machine.identity | {"brand": dataclasses.replace(machine.identity["brand"], value=brand)}
    assert machine_id(dataclasses.replace(machine, identity=known)) == f"emeraldrapids-{word}-{fingerprint(machine)}"


def test_an_unknown_machine_has_an_id():
    assert machine_id(Machine(1, "")).startswith("unknown-")


@pytest.mark.parametrize("junk", ["", "-1", "9" * 40, "0-99999999999", "\x00\xff", "max max", "5-1", "ffffffff ffffffff ffffffff ffffffff"])
@pytest.mark.parametrize("name", MACHINES)
def test_nonsense_in_any_source_is_no_crash(name, junk):
    readings = copy.deepcopy(MACHINES[name]["readings"])
    for probe in ("identity", "topology"):
        for source in ("files", "cpuid", "sysctl", "getconf", "system", "counts"):
            if source in readings[probe]:
                readings[probe][source] = dict.fromkeys(readings[probe][source], junk)
    by_cpu = readings["topology"].get("cpuid_by_cpu") or {}
    readings["topology"]["cpuid_by_cpu"] = {cpu: dict.fromkeys(leaves, junk) for cpu, leaves in by_cpu.items()} | {"x": 3, "-1": {}}
    machine = inferred(readings)
    assert machine.topology is not None
    assert all(claim.size_bytes > 0 for claim in machine.cache_claims)
    assert inferred({"identity": {}, "topology": {}}).topology is not None


def test_legacy_descriptors_are_read_where_they_exist():
    claims = cache_claims({"cpuid": {"0x2.0": "00000c01 00000021 80000000 002c0000"}})
    assert [(c.level, c.size_bytes) for c in claims if c.source == "cpuid.2"] == [(1, 16384), (2, 262144), (1, 32768)]
    tlbs = tlb_claims(Curve("topology", 1, readings={"cpuid": {"0x2.0": "00630301 00000000 00000000 00000000"}}))
    assert [(t.page_bytes, t.entries) for t in tlbs] == [(4096, 64), (2**30, 4)]


def test_measuring_leaves_the_affinity_alone():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs Linux: elsewhere there are no affinity masks")
    before = os.sched_getaffinity(0)
    topology.measure(Context(Effort.QUICK, Machine(1, ""), cpus=tuple(sorted(before)), cpu=min(before)))
    assert os.sched_getaffinity(0) == before


def test_measuring_without_files_says_what_it_could_not_see(tmp_path):
    curve = topology.measure(Context(Effort.QUICK, Machine(1, ""), root=tmp_path))
    machine = topology.infer(curve, Machine(1, ""))
    assert machine.topology is not None
    assert machine.topology.nodes.value is None
    assert machine.topology.threads.value
    assert machine.id
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert any("/sys/devices/system/cpu" in sentence for sentence in curve.missing)


def test_files_are_read_below_the_root(tmp_path):
    wanted = MACHINES["synthetic-two-socket-numa"]["readings"]["topology"]["files"]
    for path, text in wanted.items():
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + "\n")
    curve = topology.measure(Context(Effort.QUICK, Machine(1, ""), root=tmp_path))
    assert curve.readings["files"] == wanted
