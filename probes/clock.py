"""The core's true frequency, idle of vectors and under each vector width, and the timer that everything is measured with.

Method: a chain of dependent register additions takes one cycle a link on every core that matters here; its length over its time is
the clock. A chain of dependent multiplications confirms it: their ratio must be a whole number of cycles. Under load, the chain runs
within microseconds of a loop of fused multiply-adds of that width, long before a core changes its clock.

Units of work: links of a chain, or instructions of the load. Known flaws: a core that issues two dependent additions a cycle would
read double; the multiplication chain would then show a broken ratio. Source: reference 2.2.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..configs.curve import Curve, Point, joined
from ..configs.facts import Fact, measured, unknown
from ..configs.machine import ClockFacts, Machine, Notice
from ..kernels.emit import ir
from ..kernels.emit.jit import compile_ir
from ..kernels.emit.loads import ACCUMULATORS, MULTIPLY_LINKS, fma_loop_ir, multiply_chain_ir
from ..kernels.emit.streams import widest_vector_bytes
from ..kernels.emit.target import Target
from ..kernels.measure.sampler import Plan, Sampler
from ..kernels.measure.stats import interval_of_median, interval_over_time
from ..kernels.measure.stopwatch import CHAIN_LINKS, Kernel
from ..kernels.measure.timer import timer
from .context import Context
from .registry import probe

_WIDTHS = (128, 256, 512)
_ROUNDS = 3  # it comes back to each load, so that a neighbour's visit shows in the interval
_WARM_S = 0.1  # a core may take this long to reach its clock (reference 2.2: 35 ms to leave idle)


@probe("clock", version=1, needs=("topology",), seconds=(0.5, 0.7, 2), per_kind=True)
def measure(context: Context) -> Curve:
    """Chains, then each vector width that the chip claims."""
    target = Target.host()
    sampler = Sampler()
    clock = timer()
    samples = context.effort.pick(3, 5, 14)
    operands = np.ones(8, dtype=np.int64)
    code = compile_ir(ir.chain_loop(target.arch) + multiply_chain_ir(target))
    add = Kernel(code.address("chain"), operands.ctypes.data, (code, operands))
    odd = np.full(8, 3, dtype=np.int64)
    multiply = Kernel(code.address("multiply_chain"), odd.ctypes.data, (code, odd))
    sampler.point(add, {}, 1, Plan(samples=max(1, round(_WARM_S / 0.004)), sample_s=0.004))
    missing = [
        f"clock under {width}-bit load: this chip has no vectors of {width} bits"
        for width in _WIDTHS
        if width > 8 * widest_vector_bytes(target)
    ]
    points: list[Point] = []
    for _ in range(_ROUNDS):
        points += [
            sampler.point(add, {"load": "scalar", "chain": "add"}, CHAIN_LINKS, Plan(samples=samples, n=256, bursts=31)),
            sampler.point(multiply, {"load": "scalar", "chain": "multiply"}, MULTIPLY_LINKS, Plan(samples=samples, n=256, bursts=31)),
        ]
        points += [_under_load(sampler, target, width, samples) for width in _WIDTHS if width <= 8 * widest_vector_bytes(target)]
    readings = {
        "timer": clock.row.name,
        "ordered": clock.row.ordered,
        "timer_hz": clock.hz,
        "timer_hz_error": clock.hz_error,
        "step_s": clock.step_s,
        "cost_s": clock.cost_s,
        "why": clock.why,
        "sources": list(getattr(sampler.contamination, "sources", ())),
    }
    return Curve("clock", 1, "link", joined(points), readings, tuple(missing), context.core_kind)


def _under_load(sampler: Sampler, target: Target, width: int, samples: int) -> Point:
    """The clock of the chain directly after fused multiply-adds of one width, warmed for 20 ms."""
    memory = np.full(64, 0.999, dtype=np.float32)
    slots = np.array([memory.ctypes.data], dtype=np.int64)
    code = compile_ir(fma_loop_ir(target, width))
    kernel = Kernel(code.address("fma_load"), slots.ctypes.data, (code, slots, memory))
    sampler.point(kernel, {}, ACCUMULATORS, Plan(samples=5, sample_s=0.004))
    return sampler.point(kernel, {"load": str(width), "chain": "fma"}, ACCUMULATORS, Plan(samples=samples, n=8192, bursts=15))


def _clock_fact(point: Point, by: str) -> Fact[float]:
    """The clock around the samples of one point."""
    seen = [hz for hz, dirty in zip(point.clock_hz, point.dirty or [""] * len(point.clock_hz), strict=True) if hz > 0 and not dirty]
    seen = seen or [hz for hz in point.clock_hz if hz > 0]
    if not seen:
        return unknown("Hz", by, "the chain's times made no sense here")
    middle, low, high = interval_over_time(seen)
    return measured(middle, "Hz", by, low, high)


def infer(curve: Curve, machine: Machine) -> Machine:
    """Clocks of this kind of core; a notice when the two chains contradict each other or the timer is a poor one."""
    by = curve.by
    facts = {str(p.at["load"]): _clock_fact(p, by) for p in curve.points if p.at["chain"] != "multiply"}
    notices = list(machine.notices)
    for p in curve.where(chain="multiply"):
        cycles = interval_of_median(p.each_cycles())[0]
        if np.isfinite(cycles) and abs(cycles - round(cycles)) > 0.06:
            why = f"a dependent multiplication took {cycles:.2f} cycles of the measured clock, which is no whole number"
            notices.append(Notice("the measured core clock is doubtful", why, "close other programs and probe again", "clock"))
    r = curve.readings
    if r.get("why"):
        notices.append(Notice("time is read from the system's clock", str(r["why"]), "short measurements are coarser here", "clock"))
    step, hz, error = float(r["step_s"]), float(r["timer_hz"]), float(r["timer_hz_error"])
    found = ClockFacts(
        core_hz=facts.get("scalar", unknown("Hz", by, "the scalar chain was not measured")),
        timer=measured(str(r["timer"]), "", by, note=str(r["ordered"])),
        timer_hz=measured(hz, "Hz", by, hz * (1 - error), hz * (1 + error)),
        timer_step_s=measured(step, "s", by),
        timer_cost_s=measured(float(r["cost_s"]), "s", by),
        under_load=facts,
        core_kind=curve.core_kind,
    )
    others = tuple(c for c in machine.clocks if c.core_kind != curve.core_kind)
    return dataclasses.replace(machine, clocks=(*others, found), notices=tuple(notices))
