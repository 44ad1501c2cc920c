"""Ceilings: the best that was measured, for one thread and for all."""

from __future__ import annotations

import dataclasses

from mmbench.configs.facts import Fact, How, measured, unknown
from mmbench.configs.machine import Bandwidth, Machine, Topology, UnitRate
from mmbench.probes.roofs import add_roofs

COUNT = measured(4, "", "t")
TOPOLOGY = Topology(COUNT, COUNT, COUNT, COUNT, allowed=(0, 1, 2, 3))
NUMBER: Fact[float] = measured(1.0, "op/cycle", "t")


def unit(op: str, rate: float | None, *, name: str = "avx512f", dtype: str = "f32", kind: str = "", odd: tuple[str, ...] = ()) -> UnitRate:
    fact: Fact[float] = unknown("op/s", "t", "no") if rate is None else measured(rate, "op/s", "t", 0.9 * rate, 1.1 * rate)
    return UnitRate(name, op, dtype, 512, op, fact, NUMBER, NUMBER, NUMBER, NUMBER, oddities=odd, core_kind=kind)


def stream(level: str, kernel: str, threads: int, rate: float | None, how: How = How.MEASURED) -> Bandwidth:
    fact: Fact[float] = unknown("B/s", "t", "no") if rate is None else Fact(rate, "B/s", how, "t")
    return Bandwidth(level, kernel, threads, 512, fact, NUMBER)


def roofs(machine: Machine) -> dict[tuple[str, int], float]:
    return {(r.name, r.threads): r.rate.number() for r in add_roofs(machine).roofs}


def test_the_fastest_instruction_of_a_unit_and_data_type_is_its_roof() -> None:
    machine = Machine(
        1, "m", simd=(unit("mul", 1e11), unit("fma", 2e11), unit("add", 1e11), unit("fma", 1e11, dtype="f64"), unit("dot", None))
    )
    assert roofs(machine) == {("avx512f fma f32", 1): 2e11, ("avx512f fma f64", 1): 1e11}


def test_an_odd_rate_is_a_roof_all_the_same() -> None:
    assert roofs(Machine(1, "m", simd=(unit("mul", 1e11), unit("fma", 2e11, odd=("above",))))) == {("avx512f fma f32", 1): 2e11}


def test_all_cores_together_are_derived_and_say_so() -> None:
    machine = add_roofs(Machine(1, "m", topology=TOPOLOGY, simd=(unit("fma", 2e11),)))
    one, four = machine.roofs
    assert (one.threads, four.threads) == (1, 4)
    assert (four.rate.value, four.rate.low, four.rate.high) == (8e11, 4 * 0.9 * 2e11, 4 * 1.1 * 2e11)
    assert four.rate.how is How.DERIVED
    assert "clocks may fall" in four.rate.note


def test_kinds_of_core_are_not_multiplied_by_the_cores_of_all_kinds() -> None:
    machine = Machine(1, "m", topology=TOPOLOGY, simd=(unit("fma", 2e11, kind="P"), unit("fma", 1e11, kind="E")))
    assert sorted((r.core_kind, r.threads) for r in add_roofs(machine).roofs) == [("E", 1), ("P", 1)]


def test_memory_roofs_are_the_fastest_stream_of_each_level_and_thread_count() -> None:
    streams = (stream("L2", "read", 1, 1e11), stream("L2", "copy", 1, 2e11), stream("L2", "read", 2, 3e11), stream("DRAM", "read", 1, None))
    machine = Machine(1, "m", bandwidths=(*streams, stream("DRAM", "copy", 1, 9e12, How.ASSUMED)))
    assert roofs(machine) == {("L2 copy", 1): 2e11, ("L2 read", 2): 3e11}
    assert {(r.kind, r.level) for r in add_roofs(machine).roofs} == {("memory", "L2")}


def test_roofs_are_made_from_scratch_each_time() -> None:
    machine = add_roofs(Machine(1, "m", topology=TOPOLOGY, simd=(unit("fma", 2e11),)))
    assert add_roofs(machine) == machine
    assert add_roofs(dataclasses.replace(machine, simd=())).roofs == ()
