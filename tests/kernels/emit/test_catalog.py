"""The catalogue: everything in it can be printed for every kind of chip, and holds what it is for."""

from __future__ import annotations

import re

import pytest
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels.catalog import catalog, emit
from mmbench.kernels.emit.isa.registry import all_units
from mmbench.kernels.emit.target import Target

TARGETS = ("skylake-avx512", "sapphirerapids", "znver5", "neoverse-v2", "apple-m4", "spacemit-x60", "pwr10", "z15", "la464")
LOOPS = [name for name in catalog() if not name.startswith(("unit-", "gemm-"))]  # a product keeps its rows and counts on the stack
STACK = {"x86_64": r"-?\d*\(%r[sb]p[,)]", "aarch64": r"\[sp", "riscv64": r"\(sp\)", "ppc64le": r"\(1\)", "loongarch64": r"\$sp"}


def innermost_loops(text: str) -> list[str]:
    """Each stretch from a label to a jump back to it that holds no other such stretch."""
    lines = [line.strip() for line in text.splitlines()]
    labels = {line.split(":")[0]: i for i, line in enumerate(lines) if re.match(r"\.?LBB\w+:", line)}
    spans = {
        (labels[word], i)
        for i, line in enumerate(lines)
        if ":" not in line
        for word in re.findall(r"\.?LBB\w+", line)
        if labels.get(word, i) < i
    }
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return ["\n".join(lines[start : end + 1]) for start, end in inner]


@pytest.mark.parametrize("name", TARGETS)
def test_every_loop_is_emitted_for_every_chip_with_nothing_on_the_stack(name: str) -> None:
    target = Target.named(name)
    for loop in LOOPS:
        if loop in ("fma-256", "fma-512") and target.arch != "x86_64":
            continue  # no such width there; the clock probe does not ask for it
        if name == "x86-64-v3" and loop == "fma-512":
            continue
        ir, text = emit(loop, target)
        assert "define" in ir
        loops = innermost_loops(text)
        assert loops, f"{loop} for {name}"
        pattern = STACK.get(target.arch)
        calls = loop == "timer" and target.arch in ("ppc64le", "s390x", "loongarch64")  # the system's clock is called there
        if pattern and not calls and loop not in ("team", "stopwatch"):
            assert not any(re.search(pattern, body) for body in loops), f"{loop} for {name}\n{text}"


def test_each_entry_says_what_it_is_for() -> None:
    listed = catalog()
    assert all(listed.values())
    assert {"clock-chain", "timer", "stopwatch", "chase", "stream-read", "stream-nt-write", "fma-512"} <= set(listed)
    assert {f"unit-{u.name}" for u in all_units()} <= set(listed)


def test_a_unit_of_another_architecture_is_refused_by_name() -> None:
    for unit in all_units():
        other = "haswell" if unit.arch != "x86_64" else "neoverse-v2"
        with pytest.raises(NotPossibleError, match=f"has no unit '{unit.name}'"):
            emit(f"unit-{unit.name}", Target.named(other))


@pytest.mark.parametrize(
    ("unit", "name", "instruction"),
    [
        ("avx512f", "skylake-avx512", r"vfmadd\w+pd.*%zmm"),
        ("amx_int8", "sapphirerapids", r"tdpb\w+d"),
        ("neon", "neoverse-v2", r"fmla"),
    ],
)
def test_units_hold_their_instruction(unit: str, name: str, instruction: str) -> None:
    if f"unit-{unit}" not in catalog():
        unit = next(u.name for u in all_units() if unit in u.name.replace("-", "_"))
    _, text = emit(f"unit-{unit}", Target.named(name))
    assert re.search(instruction, text)
