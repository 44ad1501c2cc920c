"""Every instruction of other architectures means, under emulation, what its row says, at several vector lengths.

x86 is left out: qemu's user mode emulates neither AVX-512 nor AMX (tried with 7.2 and 11.1), and the rest runs on x86 machines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from emulator import FOREIGN, Call, Program, Trapped, program
from mmbench.kernels.emit.instruction import DTYPES, Instruction, UnitRow, unit_ir
from mmbench.kernels.emit.isa.registry import all_units, unit, units_of
from mmbench.kernels.emit.isa.trial import _exact, _places, _random, _wanted, _wrong, key, timing_bench
from mmbench.kernels.emit.target import Target
from numpy.typing import NDArray

Array = NDArray[Any]
Make = dict[str, Array]

ROWS = [
    pytest.param(row, cpu, id=f"{row.name}-{cpu.rsplit('=', 1)[-1]}")
    for arch, foreign in FOREIGN.items()
    for row in units_of(arch)
    for cpu in (foreign.cpus if row.scalable else foreign.cpus[:1])
]
# A loop's number of steps depends on no vector length: the shortest is enough.
LOOPS = [pytest.param(row, id=row.name) for arch in FOREIGN for row in units_of(arch)]

# Came to the emulator late: SME2 is refused by 7.2 and 10.0, known to 11.1.
MAY_BE_REFUSED = {"sme2"}


def may_be(row: UnitRow, trapped: Trapped) -> bool:
    return row.name in MAY_BE_REFUSED and trapped.signal_name == "SIGILL"


def halves_only(acc: Array, a: Array, b: Array) -> Array:
    """What old emulators make of SMOPA and UMOPA of bytes: pairs of rows and columns are taken for one of 64 bits.

    Source: qemu issue 2083; 7.2 has it, 10.0 has not.
    """
    side = int(np.sqrt(len(acc)))
    left, right = (x.astype(np.int64).reshape(side, -1) for x in (a, b))
    result = acc.astype(np.int64).reshape(side, side).copy()
    result[::2, ::2] += left[::2] @ right[::2].T
    result[::2, 1::2] += left[1::2] @ right[1::2].T
    flat: Array = result.ravel()
    return flat


def known_defect(row: UnitRow, instruction: Instruction) -> Callable[[Array, Array, Array], Array] | None:
    """What an emulator is known to do instead of this instruction."""
    return halves_only if row.name == "sme" and instruction.dtype == "int8" else None


def built(row: UnitRow, target: Target | None = None) -> Program:
    return program(row.arch, unit_ir(row, target or FOREIGN[row.arch].target), target)


def vscale(row: UnitRow, cpu: str, target: Target | None = None) -> int:
    return int(built(row, target).run([Call("vscale", [0])], cpu)[0].slots[0]) if row.scalable else 1


def results(instruction: Instruction, scale: int) -> Array:
    return np.zeros(instruction.out.count(scale) * instruction.chains, dtype=DTYPES[instruction.out.dtype][1])


def wrong_words(instruction: Instruction, make: Make, found: Array, *, exact: bool) -> str:
    wanted, sizes = _wanted(instruction, make)
    return _wrong(found[: len(wanted)], wanted, sizes, 0.0 if exact else instruction.tolerance)


def prove(row: UnitRow, cpu: str, target: Target | None = None, seed: int = 0) -> dict[str, str]:
    """What is wrong with each instruction that is wrong: `Trial.prove`, elsewhere."""
    scale = vscale(row, cpu, target)
    calls: list[Call] = []
    asked: list[tuple[Instruction, bool, Make]] = []
    for number, instruction in enumerate(row.instructions):
        random = np.random.default_rng(seed)
        for exact in (True, False):
            make = {p: (_exact if exact else _random)(o.dtype, o.count(scale), random) for p, o in _places(instruction)}
            asked.append((instruction, exact, make))
            acc = np.tile(make["acc"], instruction.chains)
            calls.append(Call(f"check_{number}", [acc, make["a"], make["b"], results(instruction, scale)]))
    wrong = {}
    for (instruction, exact, make), answer in zip(asked, built(row, target).run(calls, cpu), strict=True):
        words = wrong_words(instruction, make, answer.arrays[3], exact=exact)
        defect = known_defect(row, instruction)
        if words and defect and not wrong_words(replace(instruction, meaning=defect), make, answer.arrays[3], exact=exact):
            continue
        if words:
            wrong[f"{key(instruction)} {instruction.op} {instruction.dtype}, {'exact' if exact else 'random'}"] = words
    return wrong


@pytest.mark.parametrize(("row", "cpu"), ROWS)
def test_every_instruction_means_what_it_says(row: UnitRow, cpu: str) -> None:
    try:
        wrong = prove(row, cpu)
    except Trapped as trapped:
        if not may_be(row, trapped):
            raise
        return
    assert wrong == {}


TUNED = [
    pytest.param(row, name, cpu, id=f"{row.name}-{name}")
    for arch, name, cpu in (
        ("aarch64", "neoverse-v2", ""),
        ("riscv64", "spacemit-x60", FOREIGN["riscv64"].cpus[1]),
        ("ppc64le", "pwr8", ""),
    )
    for row in units_of(arch)
    if not row.name.startswith("sme")
]


@pytest.mark.parametrize(("row", "name", "cpu"), TUNED)
def test_code_for_a_known_chip_means_the_same(row: UnitRow, name: str, cpu: str) -> None:
    assert prove(row, cpu, Target.named(name)) == {}


def test_every_unit_but_those_of_x86_is_emulated() -> None:
    tried = {(p.values[0].arch, p.values[0].name) for p in ROWS}
    assert {(row.arch, row.name) for row in all_units() if row.arch != "x86_64"} == tried


@pytest.mark.parametrize("name", ["dotprod", "sve_bf16"])
def test_a_wrong_meaning_is_found(name: str) -> None:
    row = unit(name, "aarch64")
    first = row.instructions[0]
    broken = replace(first, meaning=lambda acc, a, b: first.meaning(acc, a, b[::-1]))
    wrong = prove(replace(row, instructions=(broken, *row.instructions[1:])), FOREIGN["aarch64"].cpus[0])
    assert len(wrong) == 2
    assert all("elements wrong" in words for words in wrong.values())


def repeated(instruction: Instruction, make: Make, steps: int, *, place: str = "acc") -> tuple[Array, Array]:
    """The meaning `steps` times over, rounded after each, and the sum of magnitudes of all steps."""
    now, sizes = dict(make), {p: np.abs(v) for p, v in make.items()}
    total: Array = np.zeros(len(make["acc"]))
    kind = DTYPES[instruction.out.dtype][1]
    for _ in range(steps):
        wanted, step = _wanted(instruction, now)
        now[place] = wanted.astype(kind)
        sizes[place] = sizes[place] if place == "a" else np.abs(now[place])
        total = np.maximum(total, step)
    return now[place], total * steps


def wrong_after(instruction: Instruction, make: Make, steps: int, found: Array, *, place: str = "acc") -> str:
    wanted, sizes = repeated(instruction, make, steps, place=place)
    return _wrong(found[: len(wanted)], wanted, sizes, instruction.tolerance)


def loop_cases(row: UnitRow, number: int, scale: int, turns: int) -> list[tuple[Call, list[tuple[int, int, Instruction]], str, Make]]:
    """Calls of an instruction's timed loops, with their results (place, steps, instruction), the operand that goes round, and values."""
    instruction = row.instructions[number]
    bench = timing_bench(instruction, scale)
    count = instruction.acc.count(scale)
    make = {"acc": bench.acc, "a": bench.a, "b": bench.b}
    slots = [bench.acc, bench.a, bench.b, results(instruction, scale)]
    each = turns * instruction.links // instruction.chains
    single = turns * max(8, instruction.links // 2)
    # Units with state store their first accumulator only.
    chains = range(1 if instruction.state else instruction.chains)
    adds = replace(instruction, meaning=lambda acc, a, b: acc.astype(np.float64) + a.astype(np.float64))
    rates = [(k * count, each, adds if instruction.other and k % 2 else instruction) for k in chains]
    cases = [(Call(f"rate_{number}", slots, turns), rates, "acc", make)]
    if not instruction.other:
        cases.append((Call(f"chain_{number}", slots, turns), [(0, single, instruction)], "acc", make))
    if instruction.by_operand:
        cases.append((Call(f"operand_{number}", slots, turns), [(0, single, instruction)], "a", make))
    return cases


@pytest.mark.parametrize("row", LOOPS)
def test_timed_loops_do_as_many_steps_as_are_counted(row: UnitRow) -> None:
    cpu, turns = FOREIGN[row.arch].cpus[0], 3
    try:
        scale = vscale(row, cpu)
        cases = [case for number in range(len(row.instructions)) for case in loop_cases(row, number, scale, turns)]
        answers = built(row).run([case[0] for case in cases], cpu)
    except Trapped as trapped:
        if not may_be(row, trapped):
            raise
        return
    wrong = {}
    for (call, chains, place, make), answer in zip(cases, answers, strict=True):
        for at, steps, instruction in chains:
            count = instruction.acc.count(scale)
            start = make | ({"acc": make["acc"][at : at + count]} if place == "acc" else {"acc": make["acc"][count : 2 * count]})
            found = answer.arrays[3][at : at + count]
            words = wrong_after(instruction, start, steps, found, place=place)
            defect = known_defect(row, instruction)
            if words and defect:
                words = wrong_after(replace(instruction, meaning=defect), start, steps, found, place=place)
            if words:
                wrong[f"{call.function} {key(instruction)} from {at}"] = words
    assert wrong == {}


def test_a_step_too_many_is_found() -> None:
    row = unit("sve", "aarch64")
    number = next(i for i, r in enumerate(row.instructions) if (r.op, r.dtype) == ("fma", "f32"))
    call, chains, _, make = loop_cases(row, number, 1, 1)[0]
    found = built(row).run([call], FOREIGN["aarch64"].cpus[0])[0].arrays[3]
    at, steps, instruction = chains[1]
    start = make | {"acc": make["acc"][at : at + 4]}
    assert wrong_after(instruction, start, steps, found[at : at + 4]) == ""
    assert "4 of 4 elements wrong" in wrong_after(instruction, start, steps + 1, found[at : at + 4])
