import mmap

import numpy as np
import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import Machine
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.memory import Buffer
from mmbench.probes import core_to_core
from mmbench.probes.context import Context, Effort
from mmbench.probes.core_to_core import LINES, Court, chosen_cpus, homes_in, infer, measure

EMPTY = Machine(1, "test")
two = pytest.mark.skipif(len(allowed_cpus()) < 2, reason="needs two CPUs")


def test_few_cpus_are_all_taken_and_many_in_neighbouring_twos_from_end_to_end():
    assert chosen_cpus((0, 1, 5), 32) == (0, 1, 5)
    chosen = chosen_cpus(tuple(range(128)), 32)
    assert len(chosen) == 32
    assert chosen[:2] == (0, 1)
    assert chosen[-2:] == (126, 127)
    assert all(chosen[i + 1] - chosen[i] == 1 for i in range(0, 32, 2))


def test_lines_lie_in_pages_of_their_own_at_different_places():
    buffer = Buffer(LINES * mmap.PAGESIZE, "small")
    lines = homes_in(buffer)
    assert LINES >= 5
    assert len({line // mmap.PAGESIZE for line in lines}) == LINES
    assert len({line % mmap.PAGESIZE for line in lines}) > 1
    assert all(line % 1024 == 0 for line in lines)
    assert all(buffer.address <= line and line + 1024 <= buffer.address + buffer.size_bytes for line in lines)
    buffer.close()


def pair(mode: str, a: int, b: int, home: int, *trips_s: float, dirty: tuple[str, ...] = ()) -> Point:
    """A point of two CPUs: each sample 400 one-way trips."""
    return Point({"mode": mode, "from": a, "to": b, "home": home}, 400.0, tuple(400 * s for s in trips_s), dirty=dirty)


def test_the_matrix_holds_the_median_over_homes_and_keeps_marked_samples_out():
    curve = Curve(
        "core-to-core",
        1,
        "one-way trip",
        (
            pair("cas", 0, 4, 0, 50e-9, 60e-9, 9e-3, dirty=("", "", "steal")),
            pair("cas", 0, 4, 4, 70e-9),
            pair("cas", 0, 9, 0, 100e-9),
            pair("flag", 0, 4, 0, 80e-9),
        ),
    )
    machine = infer(curve, EMPTY)
    cas, flag = machine.core_to_core
    assert (cas.mode, cas.cpus, flag.cpus) == ("cas", (0, 4, 9), (0, 4))
    middle = np.array(cas.median_s)
    assert middle[0, 1] == middle[1, 0] == pytest.approx(60e-9)
    assert (cas.low_s[0][1], cas.high_s[0][1]) == (pytest.approx(50e-9), pytest.approx(70e-9))
    assert middle[0, 2] == pytest.approx(100e-9)
    assert middle[1, 2] == 0.0  # that pair was not measured
    assert (np.diag(middle) == 0).all()
    assert infer(curve, machine) == machine
    assert decode(Machine, encode(machine)) == machine


def test_no_points_make_no_matrix():
    assert infer(Curve("core-to-core", 1, missing=("core to core: why",)), EMPTY).core_to_core == ()


def test_one_cpu_and_threads_that_cannot_be_pinned_give_the_reason(monkeypatch):
    assert measure(Context(Effort.QUICK, EMPTY, cpus=(0,))).missing == ("core to core: only one CPU may be used",)
    curve = measure(Context(Effort.QUICK, EMPTY, cpus=(0, 100_000)))
    assert curve.points == ()
    assert "100000" in curve.missing[0]
    monkeypatch.setattr("mmbench.kernels.measure.affinity.pin", lambda _cpu: "here no thread can be pinned")
    assert measure(Context(Effort.QUICK, EMPTY, cpus=(0, 1))).missing == ("core to core: here no thread can be pinned",)


@two
@pytest.mark.parametrize("mode", core_to_core.MODES)
def test_a_game_is_finished_by_both_sides(mode):
    buffer = Buffer(LINES * mmap.PAGESIZE, "small")
    court = Court(20)
    for _ in range(2):  # the second starts from what the first left
        game = court.play(mode, allowed_cpus()[:2], homes_in(buffer))
        assert game.problem == ""
        assert len(game.burst_s) == len(game.marks) == LINES
        assert all(s > 0 for s in game.burst_s)
    buffer.close()


@pytest.mark.parametrize("mode", core_to_core.MODES)
def test_a_partner_that_never_comes_costs_the_pair_and_no_more(mode):
    buffer = Buffer(LINES * mmap.PAGESIZE, "small")
    game = Court(20).play(mode, (allowed_cpus()[0], 100_000), homes_in(buffer))
    assert "100000" in game.problem or "did not start" in game.problem
    assert game.burst_s == ()
    buffer.close()


def test_a_game_that_takes_too_long_is_ended_by_the_stop_word():
    buffer = Buffer(LINES * mmap.PAGESIZE, "small")
    cpu = allowed_cpus()[0]
    game = Court(1 << 40).play("cas", (cpu, cpu), homes_in(buffer)[:1], timeout_s=0.05)  # one CPU takes turns: without end
    assert "did not come back" in game.problem
    buffer.close()


@two
def test_measure_gives_both_modes_for_the_pair():
    cpus = allowed_cpus()[:2]
    curve = measure(Context(Effort.QUICK, EMPTY, cpu=cpus[0], cpus=cpus))
    assert curve.missing == ()
    machine = infer(curve, EMPTY)
    assert [m.mode for m in machine.core_to_core] == ["cas", "flag"]
    assert all(m.median_s[0][1] > 0 for m in machine.core_to_core)
    assert {p.at["home"] for p in curve.points} == set(cpus)
