"""The loops of the probes do on other architectures, under emulation, the work that they are timed for; the timers rise."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
import pytest
from emulator import FOREIGN, Call, Links, Program, Slot, program
from mmbench.kernels.emit import ir
from mmbench.kernels.emit.loads import MULTIPLY_LINKS, fma_loop_ir, multiply_chain_ir
from mmbench.kernels.emit.streams import (
    CHASE_UNROLL,
    STREAMS,
    UNROLL,
    Stream,
    chase_ir,
    is_scalable,
    register_bytes_ir,
    stream_ir,
    widest_vector_bytes,
)
from mmbench.kernels.emit.target import Target
from mmbench.kernels.measure.stopwatch import CHAIN_LINKS, STAMPS, stopwatch_ir
from mmbench.kernels.measure.team import team_ir
from mmbench.kernels.measure.timer import read_many_ir, row_for

ARCHES = tuple(FOREIGN)
# Vectors of fixed length, of the chip's own length, and none.
STREAMED = (("aarch64", ()), ("aarch64", ("+sve",)), ("riscv64", ()), ("riscv64", ("-v",)), ("ppc64le", ()))
KINDS = [pytest.param(arch, features, id=f"{arch}{''.join(features)}") for arch, features in STREAMED]
CPUS = [
    pytest.param(arch, features, cpu, id=f"{arch}{''.join(features)}-{cpu.rsplit('=', 1)[-1]}")
    for arch, features in STREAMED
    for cpu in (FOREIGN[arch].cpus if is_scalable(FOREIGN[arch].target.with_features(*features)) else FOREIGN[arch].cpus[:1])
]


def target_of(arch: str, features: tuple[str, ...] = ()) -> Target:
    return FOREIGN[arch].target.with_features(*features)


def work_ir(arch: str) -> str:
    """The clock's chain under another name, beside the one that the stopwatch holds."""
    return ir.chain_loop(arch, CHAIN_LINKS).replace("@chain(", "@work(")


def sum_after(step: int, turns: int) -> int:
    return step * (CHAIN_LINKS * turns + 1)


@functools.cache
def simple_loops(arch: str) -> Program:
    target = target_of(arch)
    return program(arch, work_ir(arch) + chase_ir() + multiply_chain_ir(target) + fma_loop_ir(target, 128))


@pytest.mark.parametrize("arch", ARCHES)
def test_chains_have_the_links_that_the_clock_counts(arch: str) -> None:
    chain, product = simple_loops(arch).run([Call("work", [3, 0], 5), Call("multiply_chain", [3, 0], 2)])
    assert chain.slots[1] == sum_after(3, 5)
    assert product.slots[1] == 3 ** (2 * MULTIPLY_LINKS + 1)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_chase_goes_where_the_pointers_lead(arch: str) -> None:
    order = np.random.default_rng(5).permutation(512)
    following = np.zeros(512, dtype=np.int64)
    following[order] = np.roll(order, -1)
    at = 0
    for _ in range(3 * CHASE_UNROLL):
        at = int(following[at])
    answer = simple_loops(arch).run([Call("chase", [Links(following)], 3)])[0]
    assert answer.slots[0] - answer.addresses[0] == 8 * at


@pytest.mark.parametrize("arch", ARCHES)
def test_the_load_for_the_clock_multiplies_and_adds(arch: str) -> None:
    values = np.zeros(64, dtype=np.float32)
    values[:4], values[16:20] = (1.0, 1.5, 2.0, 0.5), (0.5, 0.5, 0.25, 1.0)
    answer = simple_loops(arch).run([Call("fma_load", [values], 8)])[0]
    assert answer.arrays[0][32:36].tolist() == (values[:4] * (1 + 8 * values[16:20])).tolist()


@functools.cache
def streams(arch: str, features: tuple[str, ...]) -> Program:
    target = target_of(arch, features)
    scalable, width = is_scalable(target), widest_vector_bytes(target)
    text = [register_bytes_ir(target).replace("declare i64 @llvm.vscale.i64()\n", "")] if scalable else []
    for stream in STREAMS:
        plain = stream_ir(stream, target, width, scalable=scalable)
        pausing = stream_ir(stream, target, width, name=f"{stream.function}_pausing", scalable=scalable, pausing=True)
        text += [plain, pausing]
    lines = dict.fromkeys(line for part in text for line in part.splitlines() if line.startswith(("declare", "!")))
    body = [line for part in text for line in part.splitlines() if line not in lines]
    vscale = ["declare i64 @llvm.vscale.i64()"] if scalable else []
    return program(arch, "\n".join([*body, *lines, *vscale]) + "\n", target)


def stream_call(stream: Stream, kind: type, stretch: int, suffix: str) -> tuple[Call, list[np.ndarray]]:
    """Two passes over three stretches, beginning with the last: the middle one must stay as it was."""
    arrays = [np.arange(3 * stretch, dtype=kind) + 1000 * i for i in range(stream.arrays)]
    if stream.stores:
        arrays[-1] = np.full(3 * stretch, -7, dtype=kind)
    slots: list[Slot] = [*arrays, *[0] * (3 - len(arrays))]
    return Call(stream.function + suffix, [*slots, 2, stretch * np.dtype(kind).itemsize, 3, 2, 5], 2), arrays


@pytest.mark.parametrize(("arch", "features", "cpu"), CPUS)
def test_streams_do_what_they_are_named_for(arch: str, features: tuple[str, ...], cpu: str) -> None:
    target, made = target_of(arch, features), streams(arch, features)
    width = widest_vector_bytes(target)
    if is_scalable(target):
        width = int(made.run([Call("register_bytes", [0])], cpu)[0].slots[0])
        assert f"={width}," in f"{cpu}," or f"={8 * width}," in f"{cpu},"
    kind = np.float64 if width == 8 else np.float32
    stretch = 2 * UNROLL * width // np.dtype(kind).itemsize
    asked = [(s, *stream_call(s, kind, stretch, suffix)) for s in STREAMS for suffix in ("", "_pausing")]
    for (stream, call, before), answer in zip(asked, made.run([call for _, call, _ in asked], cpu), strict=True):
        assert answer.slots[6] == 1, call.function  # after stretches 2 and 0 comes 1
        after = [answer.arrays[i] for i in range(stream.arrays)]
        for i in range(stream.loads):
            assert after[i].tolist() == before[i].tolist(), call.function
        if not stream.stores:
            continue
        wanted = {"copy": before[0], "triad": before[0] + 2 * before[1] if stream.loads == 2 else before[0]}
        written = wanted.get(stream.name, np.full(3 * stretch, 2, dtype=kind)).copy()
        written[stretch : 2 * stretch] = -7
        assert after[-1].tolist() == written.tolist(), call.function


def rises(stamps: Iterable[int]) -> bool:
    ticks = np.asarray(list(stamps), dtype=np.int64)
    return bool((np.diff(ticks) >= 0).all() and ticks[-1] > ticks[0] > 0)


@pytest.mark.parametrize("arch", ARCHES)
def test_reads_of_the_timer_rise(arch: str) -> None:
    target = target_of(arch)
    answer = program(arch, read_many_ir(row_for(target))).run([Call("read_many", [np.zeros(4000, dtype=np.int64)], 4000)])[0]
    assert rises(answer.arrays[0].tolist())


@pytest.mark.parametrize("arch", ARCHES)
def test_the_stopwatch_stamps_every_piece_and_runs_the_kernel(arch: str) -> None:
    made = program(arch, stopwatch_ir(target_of(arch)) + work_ir(arch))
    n, bursts, stamps = 200, 6, np.zeros(6 * STAMPS, dtype=np.int64)
    calls = [Call("stopwatch", ["work", np.array([7, 0]), n, twice, 40, np.array([1, 0]), stamps], bursts) for twice in (2 * n, 0)]
    doubled, single = made.run(calls)
    for answer, turns in ((doubled, 2 * n), (single, n)):
        assert answer.arrays[1].tolist() == [7, sum_after(7, turns)]
        assert rises(answer.arrays[6].tolist())
        assert (answer.arrays[6] > 0).all()
        assert answer.arrays[5][1] == sum_after(1, 80)  # the last chain is the one of 2c


@pytest.mark.parametrize("arch", ARCHES)
def test_a_member_of_a_team_stamps_its_passes_until_there_is_no_room(arch: str) -> None:
    made = program(arch, team_ir(target_of(arch)) + work_ir(arch))
    control, stamps = np.array([0, 1, 0]), np.zeros(12, dtype=np.int64)
    answer = made.run([Call("member", ["work", np.array([7, 0]), 30, control, stamps, 10, 0])])[0]
    assert answer.slots[6] == 10
    assert rises(answer.arrays[4][:10].tolist())
    assert answer.arrays[4][10:].tolist() == [0, 0]
    assert answer.arrays[1][1] == sum_after(7, 30)
    assert answer.arrays[3][0] == 1
