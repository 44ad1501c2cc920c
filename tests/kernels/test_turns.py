from mmbench.kernels.measure.stopwatch import Kernel, Reading
from mmbench.kernels.turns import LONG_S, MachineTurns, PythonTurns

KERNEL = Kernel(0, 0)


class FakeWatch:
    """A stopwatch for which a call takes `call_s`; writes down what it was asked."""

    def __init__(self, call_s, clock_hz=4e9):
        self.call_s, self.clock_hz, self.asked = call_s, clock_hz, []

    def read(self, kernel, n, bursts, *, doubled):
        self.asked.append((n, bursts, doubled))
        return Reading(n * self.call_s, self.clock_hz, 1e-9)


class FakeMarks:
    """Marks every second sample."""

    def __init__(self):
        self.count = 0

    def begin(self):
        self.count += 1

    def end(self, wall_s):
        return "steal" if self.count % 2 == 0 else ""


def test_a_short_call_is_repeated_and_taken_twice_over():
    watch = FakeWatch(100e-9)
    turns = MachineTurns(KERNEL, watch, FakeMarks())
    assert abs(turns.call_s - 100e-9) < 1e-12
    watch.asked.clear()
    turn = turns.take(0.0)
    n, bursts, doubled = watch.asked[-1]
    assert doubled
    assert n * 100e-9 > 10e-6
    assert bursts >= 3
    assert turn.calls == [n]
    assert turn.time_s == [n * 100e-9]


def test_a_long_call_is_timed_alone():
    watch = FakeWatch(2 * LONG_S)
    turns = MachineTurns(KERNEL, watch, FakeMarks())
    watch.asked.clear()
    turn = turns.take(0.0)
    assert watch.asked[-1][0] == 1
    assert not watch.asked[-1][2]
    assert turn.calls == [1]


def test_a_turn_lasts_as_long_as_it_should_and_keeps_every_mark():
    turns = MachineTurns(KERNEL, FakeWatch(1e-6), FakeMarks())
    turn = turns.take(0.01)
    assert len(turn.time_s) > 3
    assert len({len(x) for x in (turn.calls, turn.time_s, turn.clock_hz, turn.at_s, turn.dirty)}) == 1
    assert set(turn.dirty) == {"", "steal"}
    assert turn.at_s == sorted(turn.at_s)
    assert turn.wall_s >= 0.01


def test_a_time_below_zero_is_kept_and_marked():
    class Backwards(FakeWatch):
        def read(self, kernel, n, bursts, *, doubled):
            super().read(kernel, n, bursts, doubled=doubled)
            return Reading(-1e-6 if len(self.asked) > 20 else n * self.call_s, 4e9, 1e-9)

    watch = Backwards(1e-6)
    turns = MachineTurns(KERNEL, watch, FakeMarks())
    watch.asked.extend([(0, 0, False)] * 20)
    turn = turns.take(0.0)
    assert turn.time_s[0] < 0
    assert "negative" in turn.dirty[0]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Bound:
    def __init__(self, clock, call_s):
        self.clock, self.call_s, self.calls = clock, call_s, 0

    def __call__(self, n):
        self.calls += n
        self.clock.now += n * self.call_s

    def fetch(self):
        raise AssertionError("nothing is fetched while timing")


def test_what_only_python_can_call_is_repeated_until_the_clock_can_see_it():
    clock = Clock()
    turns = PythonTurns([Bound(clock, 1e-6)], FakeMarks(), clock)
    turn = turns.take(0.0)
    assert turn.calls[0] >= 500
    assert abs(turn.time_s[0] / turn.calls[0] - 1e-6) < 1e-12
    assert turn.clock_hz == [0.0]
    assert turns.timed_by == "python"


def test_cold_operand_sets_are_used_one_after_another():
    clock = Clock()
    sets = [Bound(clock, 1e-6) for _ in range(3)]
    turns = PythonTurns(sets, FakeMarks(), clock)
    for _ in range(4):
        turns.take(0.0)
    assert max(s.calls for s in sets) - min(s.calls for s in sets) <= 1
