"""The hand-over between real processes: every turn is taken once and in order, a death ends the wait, and a planted share is there."""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from mmbench.configs.cases import Case
from mmbench.configs.gateplan import Contest, Control, GateCell, Launch, Stage, Tuned
from mmbench.configs.plan import Entrant
from mmbench.kernels.emit.jit import assembly
from mmbench.kernels.emit.target import Target
from mmbench.kernels.gate import relay
from mmbench.kernels.gate.launch import COPY, NEW, OLD, Launched, Proven, SideError, drawn_orders, padding
from mmbench.kernels.gate.relay import Baton, can_relay, planted_chain, turns_of
from mmbench.kernels.host import Host
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.timer import row_for
from mmbench.kernels.measure.worker import Worker

needs_futex = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes hand over by a futex, which only Linux has")
CONTEST = Contest("vectorized", Entrant("vectorized", "own", "1"), Entrant("vectorized", "own", "1"))
LAUNCH = Launch(3, Stage.SCREEN, 100, 20, 128, OLD)
CASE = Case(48, 48, 48)


def start(side: str, contest: Contest, launch: Launch) -> AbstractContextManager[tuple[Worker, Entrant]]:
    return nullcontext((Worker(environment=padding(launch, side)), contest.new if side == NEW else contest.old))


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    path = tmp_path / "baton"
    made = Launched(CONTEST, LAUNCH, start, Host.of(None, allowed_cpus()), Baton(path, create=True), str(path), time.monotonic())
    with made:
        yield made


@needs_futex
def test_two_processes_take_their_turns(launched: Launched) -> None:
    launched.open((OLD, NEW))
    assert {side: info.kernel for side, info in launched.opened.items()} == {OLD: "vectorized", NEW: "vectorized"}
    proven = Proven()
    ready = launched.prepare(GateCell(CASE, "vectorized"), proven, thorough=False)
    assert ready.relays
    assert "integer-exact" in ready.proofs[0]
    assert len(set(proven.digests.values())) == 1  # the same kernel on the same operands gives the same bits on both sides
    found = launched.trace(ready, 0.01, 0.05)
    tuned = Tuned(0, found["calls"], 2, 1, found["call_s"])
    orders = drawn_orders(10, random.Random(1))
    block = launched.visit(ready, 0, Stage.SCREEN, tuned, orders, 0.03)
    assert block.orders == orders
    assert len(block.times_s) == 10 * 4 * 2
    assert min(block.times_s) > 0
    assert statistics.median(block.times_s) == pytest.approx(found["call_s"], rel=0.5)
    assert not block.marks or len(block.marks) == 40
    launched.finish(ready)
    again = launched.prepare(GateCell(CASE, "vectorized"), proven, thorough=False)
    assert again.proofs == ready.proofs


@needs_futex
def test_a_planted_share_is_in_the_times_of_the_copy(launched: Launched) -> None:
    launched.open((OLD, NEW, COPY))
    ready = launched.prepare(GateCell(CASE, "vectorized", control=Control.PLANTED), Proven(), thorough=False)
    assert ready.new == COPY
    found = launched.trace(ready, 0.01, 0.05)
    tuned = Tuned(0, found["calls"], 1, 1, found["call_s"])
    launched.visit(ready, 0, Stage.PILOT, tuned, "ab" * 4, 0.0)
    block = launched.visit(ready, 0, Stage.SCREEN, tuned, "ab" * 20, 0.5)
    outer, inner = [], []
    for quartet, letter in enumerate(block.orders):
        first, second, third, fourth = block.times_s[4 * quartet : 4 * quartet + 4]
        sides = ([first, fourth], [second, third])
        outer += sides[letter == "b"]
        inner += sides[letter == "a"]
    assert statistics.median(inner) / statistics.median(outer) == pytest.approx(1.5, abs=0.2)


@needs_futex
def test_a_side_that_is_killed_within_a_visit_ends_it_at_once(launched: Launched) -> None:
    launched.open((OLD, NEW))
    ready = launched.prepare(GateCell(CASE, "vectorized"), Proven(), thorough=False)
    found = launched.trace(ready, 0.01, 0.05)
    tuned = Tuned(0, 64 * found["calls"], 4, 0, found["call_s"])
    worker = launched._workers[NEW]
    process = worker._process
    assert process is not None
    threading.Timer(0.3, process.kill).start()
    began = time.monotonic()
    with pytest.raises(SideError) as caught:
        launched.visit(ready, 0, Stage.SCREEN, tuned, "ab" * 400, 0.0)
    assert caught.value.gone
    assert (caught.value.side, caught.value.state) == (NEW, "crashed")
    assert time.monotonic() - began < 20


@needs_futex
def test_the_driver_hands_over_where_threads_would_spin(launched: Launched) -> None:
    if len(allowed_cpus()) < 2:
        pytest.skip("several threads need two CPUs")
    launched.open((OLD, NEW))
    ready = launched.prepare(GateCell(Case(64, 64, 64, threads=2), "vectorized"), Proven(), thorough=False)
    assert not ready.relays
    block = launched.visit(ready, 0, Stage.SCREEN, Tuned(0, 10, 2, 1, 1e-5), "ab", 0.0)
    assert len(block.times_s) == 16
    assert min(block.times_s) > 0


def test_what_cannot_be_opened_is_said(launched: Launched) -> None:
    missing = Entrant("openblas@given", "library", "2", path="/nowhere/libopenblas.so")
    launched._start_worker = lambda side, contest, launch: nullcontext((Worker(), missing))
    with pytest.raises(SideError, match="nowhere"):
        launched.open((OLD,))


def test_marks_come_from_counters_and_never_from_times() -> None:
    # turn 0 is calm, 1 was switched, 2 lost CPU time, 3 is slow and calm
    stats = np.array(
        [[1000, 1000, 0, 10, 20], [1000, 1000, 1, 10, 20], [10**6, 9 * 10**5, 0, 10, 20], [9000, 9000, 0, 10, 25]], dtype=np.int64
    )
    turns = turns_of(np.full((4, 1), 500, dtype=np.int64), stats, 1e9)
    assert turns.marks == ["", "switched", "off-cpu", ""]
    assert turns.clock_hz[0] == pytest.approx(relay.CHAIN_C * 64 * 1e9 / 10)
    assert turns.time_s[0, 0] == pytest.approx(5e-7)


def test_a_planted_chain_lasts_its_share_of_a_unit() -> None:
    assert planted_chain(0.03, 1e-3, 3.2e9) * 64 / 3.2e9 == pytest.approx(3e-5, rel=0.01)
    assert planted_chain(0.03, 1e-9, 3e9) == 1


@pytest.mark.parametrize("cpu", ["neoverse-n1", "haswell"])
def test_the_loop_is_code_for_other_chips_too(cpu: str) -> None:
    target = Target.named(cpu)
    text = assembly(relay.relay_ir(target.arch, row_for(target)), target)
    assert "relay" in text


def test_other_systems_say_why_they_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay.sys, "platform", "darwin")
    assert "futex" in can_relay()
