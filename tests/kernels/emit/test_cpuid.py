"""CPUID through emitted code, held against what the system says; and its stored form."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels.emit import cpuid as module
from mmbench.kernels.emit.cpuid import cpuid, leaf_key, parse_leaf, read_leaves, xgetbv
from mmbench.kernels.emit.target import host_arch

only_x86 = pytest.mark.skipif(host_arch() != "x86_64", reason="needs x86-64: CPUID is its instruction")


@only_x86
def test_the_vendor_is_the_systems_vendor():
    _, ebx, ecx, edx = cpuid(0)
    vendor = struct.pack("<3I", ebx, edx, ecx).decode()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        assert f": {vendor}\n" in cpuinfo.read_text()
    assert vendor.isprintable()


@only_x86
def test_xgetbv_has_x87_and_sse_states_on():
    assert xgetbv(0) & 0b11 == 0b11


@only_x86
def test_leaves_are_kept_within_the_chips_highest():
    leaves = read_leaves()
    highest = parse_leaf(leaves, 0)
    assert highest is not None
    assert highest == cpuid(0)
    assert all(int(key.split(".")[0], 16) <= highest[0] for key in leaves if int(key.split(".")[0], 16) < 0x40000000)
    assert leaf_key(3) not in leaves  # the serial number
    assert {key.split(".")[0] for key in read_leaves(only=(0x1, 0x7))} == {"0x1", "0x7"}


def test_another_chip_says_why_it_cannot(monkeypatch):
    monkeypatch.setattr(module, "host_arch", lambda: "riscv64")
    module._compiled.cache_clear()
    with pytest.raises(NotPossibleError, match="riscv64"):
        cpuid(0)
    module._compiled.cache_clear()


@pytest.mark.parametrize("text", ["", "1 2 3", "x y z w", "1 2 3 4 5", "-1 0 0 0", "100000000 0 0 0"])
def test_a_torn_answer_is_none(text):
    assert parse_leaf({"0x4.0": text}, 4) is None
    assert parse_leaf({}, 4) is None
