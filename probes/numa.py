"""NUMA: latency and read bandwidth from the CPUs of each node to the memory of each node.

Method: memory is bound to a node by a policy of the thread that touches it first, and where its pages lie is read back before anything is
timed: a pair whose pages are elsewhere is not measured. Latency: a chase in grouped order on huge pages. Bandwidth: all
CPUs of the node read together, each its own buffer on the memory node, all bytes of a common window over that window.

Units of work: loads, or bytes. Known flaws: nodes that a hypervisor shows need not be nodes of the host; with sets that the last-level
cache can hold in part (said in the note) remote memory looks nearer than it is. Source: reference 2.6; set_mempolicy(2), move_pages(2).
"""

from __future__ import annotations

import dataclasses

from ..configs.curve import Curve, Point
from ..configs.errors import NotPossibleError
from ..configs.facts import Fact, measured, unknown
from ..configs.machine import Machine, NodeToNode
from ..configs.units import MIB, size_words
from ..kernels.emit.streams import CHASE_UNROLL
from ..kernels.measure.affinity import pinned
from ..kernels.measure.chase import GROUP_BYTES, Chase
from ..kernels.measure.memory import Buffer
from ..kernels.measure.placement import LinuxNodeCalls, NodeCalls, memory_on, share_on
from ..kernels.measure.sampler import Plan, Sampler
from ..kernels.measure.stats import interval_of_median
from ..kernels.measure.streaming import SLACK_BYTES, Walk, filled_buffer, stream, widest_here
from ..kernels.measure.system_files import cpu_list, read_text, under
from ..kernels.measure.team import Team
from .context import Context
from .registry import probe

_ENOUGH = 0.95  # of the pages on the wanted node
_STRETCH_BYTES = 1 * MIB
_LINE_BYTES = 64


def nodes_here(context: Context) -> tuple[dict[int, list[int]], list[int]]:
    """(allowed CPUs of each node, nodes that hold memory: with or without CPUs of their own)."""
    cpus: dict[int, list[int]] = {}
    for cpu in context.machine.topology.cpus if context.machine.topology else ():
        if cpu.node >= 0 and cpu.id in context.cpus:
            cpus.setdefault(cpu.node, []).append(cpu.id)
    told = cpu_list(read_text(under(context.root, "/sys/devices/system/node/has_memory")) or "")
    return cpus, sorted(told) if told else sorted(cpus)


@probe("nodes", version=1, needs=("topology", "clock"), seconds=(0.2, 0.2, 0.3), crew=True)
def measure(context: Context) -> Curve:
    """Every pair of a node with CPUs and a node with memory, where there are two of the latter."""
    return measure_with(context, LinuxNodeCalls())


def measure_with(context: Context, calls: NodeCalls) -> Curve:
    """`measure` with these system calls."""
    cpus, memories = nodes_here(context)
    if len(memories) < 2 or not cpus:
        return Curve("nodes", 1, missing=("NUMA matrix: the system shows one memory node",))
    missing: list[str] = []
    size = min(context.effort.pick(64, 256, 1024) * MIB, context.memory_bytes // 4) // GROUP_BYTES * GROUP_BYTES
    readings: dict[str, object] = {"set_bytes": size, "memory_nodes": memories}
    largest = max((c.size_bytes for c in context.machine.cache_claims), default=0)
    if size < 2 * largest:
        readings["note"] = f"a set of {size_words(size)}: a last-level cache of {size_words(largest)} may serve part of it"
    points: list[Point] = []
    for cpu_node, members in sorted(cpus.items()):
        for memory_node in memories:
            if context.expired():
                missing.append(f"NUMA: node {cpu_node} to {memory_node} and what follows, for lack of time")
                return _curve(points, readings, missing)
            try:
                points += _pair(context, calls, (cpu_node, memory_node), members, size)
            except NotPossibleError as error:
                missing.append(f"NUMA: node {cpu_node} to {memory_node}: {error.message}")
    return _curve(points, readings, missing)


def _curve(points: list[Point], readings: dict[str, object], missing: list[str]) -> Curve:
    return Curve("nodes", 1, "load or B", tuple(points), readings, tuple(dict.fromkeys(missing)))


def _pair(context: Context, calls: NodeCalls, nodes: tuple[int, int], members: list[int], size: int) -> list[Point]:
    """Latency and bandwidth of one pair; NotPossibleError with the reason where memory is not where it should be."""
    cpu_node, memory_node = nodes
    at = {"cpu_node": cpu_node, "memory_node": memory_node}
    with pinned(members[0]) as reason:
        if reason:
            raise NotPossibleError(reason)
        with memory_on(memory_node, calls) as reason:
            if reason:
                raise NotPossibleError(reason)
            buffer = Buffer(size, "huge")
        _verify(buffer, memory_node, calls)
        chase = Chase(buffer, _LINE_BYTES, context.seed + 41)
        chase.grouped(size)
        plan = Plan(samples=context.effort.pick(7, 15, 41), n=8192 // CHASE_UNROLL, bursts=1, doubled=False)
        latency = Sampler().point(chase.kernel, {**at, "test": "latency"}, CHASE_UNROLL, plan)
    buffer.close()
    return [latency, *_bandwidth(context, calls, at, members, size)]


def _verify(buffer: Buffer, node: int, calls: NodeCalls) -> None:
    share = share_on(node, buffer.address, buffer.size_bytes, calls)
    if isinstance(share, str):
        raise NotPossibleError(share)
    if share < _ENOUGH:
        raise NotPossibleError(f"only {share:.0%} of the pages are on node {node}")


def _bandwidth(context: Context, calls: NodeCalls, at: dict[str, int], members: list[int], size: int) -> list[Point]:
    """Windows of all CPUs of the node reading."""
    each = max(size // len(members), 2 * _STRETCH_BYTES) // MIB * MIB
    buffers = []
    for cpu in members:
        with memory_on(at["memory_node"], calls) as reason:
            if reason:
                raise NotPossibleError(reason)
            buffers.append(filled_buffer(each + SLACK_BYTES, cpu))
        _verify(buffers[-1], at["memory_node"], calls)
    walks = [Walk(stream("read"), b, each, widest_here(), stretch_bytes=_STRETCH_BYTES) for b in buffers]
    team = Team()
    points = []
    for window in range(context.effort.pick(3, 5, 11)):
        run = team.run([w.kernel for w in walks], [1] * len(walks), members, context.effort.pick(20, 40, 80) * 1e-3)
        done = sum(units * w.pass_bytes for units, w in zip(run.units, walks, strict=True))
        if run.window_s > 0 and done > 0:
            points.append(Point({**at, "test": "read", "threads": len(members), "window": window}, done, (run.window_s,)))
    for buffer in buffers:
        buffer.close()
    return points


def infer(curve: Curve, machine: Machine) -> Machine:
    """A row for each pair that was measured."""
    pairs = dict.fromkeys((int(p.at["cpu_node"]), int(p.at["memory_node"])) for p in curve.points)
    note = str(curve.readings.get("note", ""))
    rows = []
    for cpu_node, memory_node in pairs:
        here = {"cpu_node": cpu_node, "memory_node": memory_node}
        times = [s for p in curve.where(test="latency", **here) for s in p.each_s()]
        rates = [r for p in curve.where(test="read", **here) for r in p.rates()]
        rows.append(NodeToNode(cpu_node, memory_node, _fact(curve, times, "s", note), _fact(curve, rates, "B/s", note)))
    return dataclasses.replace(machine, nodes=tuple(rows))


def _fact(curve: Curve, values: list[float], unit: str, note: str) -> Fact[float]:
    if not values:
        return unknown(unit, curve.by, "no sample could be used")
    middle, low, high = interval_of_median(values)
    return measured(middle, unit, curve.by, low, high, note)
