import dataclasses
import platform
import sys
from pathlib import Path

import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import reported
from mmbench.configs.machine import Cpu, Machine, Topology
from mmbench.configs.units import MIB
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.memory import Buffer
from mmbench.kernels.measure.placement import LinuxNodeCalls, memory_on, share_on
from mmbench.probes.context import Context, Effort
from mmbench.probes.numa import infer, measure, measure_with, nodes_here

CPU = allowed_cpus()[0]


def machine_of(*nodes: int) -> Machine:
    """One CPU for each of `nodes`; all of them are the CPU that this test may use."""
    one = reported(1, "", "test")
    cpus = tuple(Cpu(CPU, core=i, node=node) for i, node in enumerate(nodes))
    return dataclasses.replace(Machine(1, "test"), topology=Topology(one, one, one, reported(len(nodes), "", "test"), cpus, (CPU,)))


class FakeCalls:
    """Memory goes where it is told, unless `wrong`; the system refuses with `refusal`."""

    def __init__(self, refusal: str = "", wrong: bool = False, blind: str = "") -> None:
        self.refusal, self.wrong, self.blind = refusal, wrong, blind
        self.policies: list[tuple[int, ...]] = []
        self.node = 0

    def set_policy(self, nodes: tuple[int, ...]) -> str:
        self.policies.append(nodes)
        if nodes and not self.refusal:
            self.node = nodes[0]
        return self.refusal

    def nodes_of(self, addresses: list[int]) -> list[int] | str:
        return self.blind or [self.node + self.wrong] * len(addresses)


def context(machine: Machine, root: Path = Path("/nowhere")) -> Context:
    return Context(Effort.QUICK, machine, cpu=CPU, cpus=(CPU,), memory_bytes=64 * MIB, root=root)


def test_nodes_without_cpus_count_as_memory(tmp_path):
    folder = tmp_path / "sys/devices/system/node"
    folder.mkdir(parents=True)
    (folder / "has_memory").write_text("0,2\n")
    assert nodes_here(context(machine_of(0), tmp_path)) == ({0: [CPU]}, [0, 2])
    assert nodes_here(context(machine_of(0, 1))) == ({0: [CPU], 1: [CPU]}, [0, 1])


def test_one_node_needs_no_matrix():
    assert "one memory node" in measure(context(machine_of(0))).missing[0]
    assert "one memory node" in measure(context(Machine(1, "test"))).missing[0]


def test_every_pair_is_measured_and_the_policy_taken_back():
    calls = FakeCalls()
    machine = machine_of(0, 1)
    curve = measure_with(context(machine), calls)
    assert curve.missing == ()
    rows = infer(curve, machine).nodes
    assert [(r.cpu_node, r.memory_node) for r in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(r.latency.number() > 0 and r.rate.number() > 0 for r in rows)
    assert calls.policies[1::2] == [()] * (len(calls.policies) // 2)


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        (FakeCalls(refusal="the system refuses a memory policy: Operation not permitted"), "not permitted"),
        (FakeCalls(wrong=True), "0% of the pages are on node"),
        (FakeCalls(blind="the system does not tell where pages lie: Function not implemented"), "does not tell"),
    ],
)
def test_memory_that_is_refused_or_elsewhere_is_not_measured(calls, why):
    curve = measure_with(context(machine_of(0, 1)), calls)
    assert curve.points == ()
    assert len(curve.missing) == 4
    assert all(why in m for m in curve.missing)


def test_infer_takes_medians_and_says_what_is_absent():
    at = {"cpu_node": 0, "memory_node": 1}
    points = (
        Point({**at, "test": "latency"}, 10.0, (1e-6, 1.1e-6, 3e-6)),
        Point({**at, "test": "read", "window": 0}, 1e8, (0.01,)),
        Point({**at, "memory_node": 0, "test": "latency"}, 10.0, (5e-7,)),
    )
    far, near = infer(Curve("nodes", 1, "", points, {"note": "small"}), machine_of(0, 1)).nodes
    assert far.latency.number() == pytest.approx(1.1e-7)
    assert far.rate.number() == pytest.approx(1e10)
    assert far.rate.note == "small"
    assert not near.rate.known


@pytest.mark.skipif(not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "aarch64"), reason="Linux calls")
def test_the_real_calls_place_memory_on_node_0_or_say_why_not():
    calls = LinuxNodeCalls()
    with memory_on(0, calls) as reason:
        buffer = Buffer(MIB, "small")
    if reason:
        assert "refuses a memory policy: " in reason
        return
    share = share_on(0, buffer.address, buffer.size_bytes, calls)
    assert share == 1.0 or isinstance(share, str)
    with memory_on(63, calls) as reason:
        assert "refuses" in reason
    buffer.close()
