"""The parent of a sweep, with workers that answer from a script."""

import itertools

import pytest
from mmbench.configs.cases import Case, Check, Status, Variant
from mmbench.configs.codec import encode
from mmbench.configs.plan import Cell, Entrant, Opened, Skip, SweepPlan
from mmbench.kernels import sweep as sweeps
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import WorkerError
from mmbench.kernels.sweep import run_sweep

HOST = Host.of(None, (0, 1))
CELLS = tuple(Cell(Case(n, n, n), "a cube") for n in (8, 16, 32))
ALWAYS = itertools.repeat


class Script:
    """What the workers of each kernel do: `behaviour[kernel]` gives seconds a call, or an exception, or a status with a reason."""

    def __init__(self, **behaviour):
        self.behaviour = behaviour
        self.log = []
        self.running = set()

    def worker(self):
        return FakeWorker(self)


class FakeWorker:
    def __init__(self, script):
        self.script, self.kernel, self.alive, self.paused = script, "", False, False

    def call(self, function, arguments, timeout_s, progress=None):
        name = function.split(":")[1]
        self.paused = False
        if name == "open_kernel":
            self.kernel, self.alive = arguments["entrant"]["kernel"], True
        self.script.log.append((name, self.kernel, arguments.get("case", {}).get("m")))
        found = self.script.behaviour[self.kernel].get(name)
        if isinstance(found, Exception):
            self.alive = False
            raise found
        return getattr(self, name)(found, arguments)

    def open_kernel(self, found, arguments):
        return encode(found or Opened(self.kernel, "1"))

    def prepare_case(self, found, arguments):
        status, reason = found or (Status.OK, "")
        check = encode(Check(status is Status.OK, failed=reason))
        answer = {"first_call_s": 0.1, "variant": encode(Variant(self.kernel, "1")), "sha": "abc", "warnings": [], "timed_by": "machine"}
        return {**answer, "status": status.value, "reason": reason, "check": check, "call_s": 1e-6}

    def take_turn(self, found, arguments):
        times = [next(found) for _ in range(3)] if found else [1e-3, 1e-3, 1e-3]
        return {"calls": [1000] * 3, "time_s": times, "clock_hz": [3e9] * 3, "at_s": [1.0] * 3, "dirty": [""] * 3, "wall_s": 0.003}

    def finish_case(self, found, arguments):
        return found or {"problem": "", "warnings": []}

    def start(self):
        pass

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def stop(self):
        self.alive = False


class Recorder:
    """The run file and the watcher in one."""

    def __init__(self):
        self.events, self.rows, self.notes, self.cells = [], [], [], []

    def append(self, kind, payload=None):
        self.events.append((kind, payload))

    def started(self, plan):
        pass

    def opened(self, info):
        pass

    def cell(self, index, total, cell, left_s):
        self.cells.append(cell)

    def noise(self, share):
        pass

    def row(self, row):
        self.rows.append(row)

    def note(self, text):
        self.notes.append(text)


def entrants(*names):
    return tuple(Entrant(name, "own", "1") for name in names)


def swept(script, plan, done=frozenset()):
    record = Recorder()
    end = run_sweep(plan, host=HOST, machine=None, writer=record, watch=record, done=done, make_worker=script.worker)
    return end, record


def test_every_cell_and_kernel_gets_one_row_and_the_file_says_the_end():
    script = Script(a={}, b={})
    end, record = swept(script, SweepPlan(CELLS, entrants("a", "b")))
    assert end.finished
    assert sorted((r.case.m, r.variant.kernel) for r in record.rows) == [(m, k) for m in (8, 16, 32) for k in "ab"]
    assert {r.status for r in record.rows} == {Status.OK}
    assert [kind for kind, _ in record.events].count("row") == 6
    assert record.events[-1][0] == "end"
    assert abs(sum(end.parts_s.values()) - end.wall_s) < 1e-6


def test_kernels_of_a_cell_take_turns():
    script = Script(a={}, b={})
    swept(script, SweepPlan(CELLS[:1], entrants("a", "b")))
    turns = [kernel for name, kernel, _ in script.log if name == "take_turn"]
    assert len(turns) >= 6
    assert all({turns[i], turns[i + 1]} == {"a", "b"} for i in range(0, len(turns), 2))


def test_a_noisy_kernel_is_sampled_longer_and_its_row_says_how_well_it_is_known(monkeypatch):
    monkeypatch.setattr(sweeps, "_MOST_ROUNDS", 30)
    wild = itertools.cycle([1e-3, 2e-3, 3e-3, 1.5e-3])
    script = Script(calm={}, wild={"take_turn": wild})
    _, record = swept(script, SweepPlan(CELLS[:1], entrants("calm", "wild")))
    rows = {r.variant.kernel: r for r in record.rows}
    assert rows["wild"].status is Status.NOISY
    assert "asked for ±2 %" in rows["wild"].reason
    assert len(rows["wild"].samples.time_s) > len(rows["calm"].samples.time_s)


def test_a_crash_costs_its_row_only_and_the_kernel_comes_back():
    script = Script(good={}, bad={"take_turn": WorkerError("killed by SIGSEGV (a bad memory access)")})
    end, record = swept(script, SweepPlan(CELLS[:2], entrants("good", "bad")))
    assert end.finished
    bad = [r for r in record.rows if r.variant.kernel == "bad"]
    assert [r.status for r in bad] == [Status.CRASHED] * 2
    assert "SIGSEGV" in bad[0].reason
    assert bad[0].samples.time_s == ()
    assert [r.status for r in record.rows if r.variant.kernel == "good"] == [Status.OK] * 2
    assert [name for name, kernel, _ in script.log if kernel == "bad"].count("open_kernel") == 2


@pytest.mark.parametrize("step", ["open_kernel", "prepare_case", "take_turn", "finish_case"])
def test_a_hang_is_a_timeout_whatever_its_words_are(step):
    script = Script(slow={step: WorkerError("ended", hung=True)})
    _, record = swept(script, SweepPlan(CELLS[:1], entrants("slow")))
    assert record.rows[0].status is Status.TIMEOUT


def test_words_alone_make_no_timeout():
    script = Script(odd={"prepare_case": WorkerError("no answer within the tables of this kernel", died=True)})
    _, record = swept(script, SweepPlan(CELLS[:1], entrants("odd")))
    assert record.rows[0].status is Status.CRASHED


def test_a_kernel_that_fails_again_and_again_is_left_out_of_the_rest():
    cells = tuple(Cell(Case(n, n, n)) for n in range(8, 14))
    script = Script(bad={"prepare_case": WorkerError("killed by SIGILL")})
    _, record = swept(script, SweepPlan(cells, entrants("bad")))
    assert len(record.rows) == 6
    assert all(r.status is Status.CRASHED for r in record.rows)
    assert "left out" in record.rows[-1].reason
    assert [name for name, _, _ in script.log].count("prepare_case") == 3


@pytest.mark.parametrize(
    ("answer", "status"), [((Status.WRONG, "tails: row 3"), Status.WRONG), ((Status.SKIPPED, "no such batch"), Status.SKIPPED)]
)
def test_what_is_wrong_or_refused_is_never_timed(answer, status):
    script = Script(x={"prepare_case": answer})
    _, record = swept(script, SweepPlan(CELLS[:1], entrants("x")))
    assert (record.rows[0].status, record.rows[0].reason) == (status, answer[1])
    assert "take_turn" not in [name for name, _, _ in script.log]
    assert record.rows[0].samples.time_s == ()


def test_damage_seen_after_the_last_sample_makes_the_row_wrong_and_drops_its_times():
    script = Script(x={"finish_case": {"problem": "wrote past the end of C", "warnings": ["used 2 threads"]}})
    _, record = swept(script, SweepPlan(CELLS[:1], entrants("x")))
    assert record.rows[0].status is Status.WRONG
    assert record.rows[0].reason == "wrote past the end of C"
    assert record.rows[0].samples.time_s == ()
    assert record.rows[0].warnings == ("used 2 threads",)


def test_a_library_that_cannot_be_opened_has_a_row_for_each_of_its_cells():
    script = Script(x={"open_kernel": WorkerError("libx.so is for AArch64")})
    _, record = swept(script, SweepPlan(CELLS[:2], entrants("x")))
    assert [r.status for r in record.rows] == [Status.SKIPPED] * 2
    assert "AArch64" in record.rows[0].reason


def test_a_library_that_ends_its_process_when_it_is_opened_is_a_crash():
    script = Script(x={"open_kernel": WorkerError("killed by SIGILL", died=True)})
    _, record = swept(script, SweepPlan(CELLS[:2], entrants("x")))
    assert [r.status for r in record.rows] == [Status.CRASHED] * 2
    assert "SIGILL" in record.rows[0].reason


def test_skips_of_the_plan_and_rows_that_are_done_are_not_run():
    script = Script(a={}, b={})
    plan = SweepPlan(CELLS[:2], entrants("a", "b"), skips=(Skip("a", "f32 only", (0,)),))
    _, record = swept(script, plan, done=frozenset({(CELLS[1].case.id, "b")}))
    assert sorted((r.case.m, r.variant.kernel) for r in record.rows) == [(8, "b"), (16, "a")]


def test_nothing_left_to_do_starts_no_worker():
    script = Script(a={})
    plan = SweepPlan(CELLS[:1], entrants("a"))
    end, record = swept(script, plan, done=frozenset({(CELLS[0].case.id, "a")}))
    assert end.finished
    assert script.log == []
    assert record.rows == []


def test_a_budget_that_is_over_leaves_cells_and_says_how_many(monkeypatch):
    script = Script(a={})
    monkeypatch.setattr(sweeps._Sweep, "left_s", lambda self: 1.0 if not any(n == "prepare_case" for n, _, _ in script.log) else -1.0)
    end, record = swept(script, SweepPlan(CELLS, entrants("a"), time_budget_s=1.0))
    assert not end.finished
    assert "before 2 of 3 cells" in end.reason
    assert len(record.rows) == 1


def test_an_interrupt_leaves_an_end_and_the_rows_that_were_finished():
    class Interrupting(Recorder):
        def cell(self, index, total, cell, left_s):
            super().cell(index, total, cell, left_s)
            if len(self.cells) == 2:
                raise KeyboardInterrupt

    record = Interrupting()
    script = Script(a={})
    with pytest.raises(KeyboardInterrupt):
        run_sweep(SweepPlan(CELLS, entrants("a")), host=HOST, machine=None, writer=record, watch=record, make_worker=script.worker)
    kind, end = record.events[-1]
    assert (kind, end.finished, end.reason) == ("end", False, "interrupted")
    assert len(record.rows) == 1


def test_all_workers_but_the_one_that_runs_are_stopped():
    workers = []

    class Watched(FakeWorker):
        def call(self, function, arguments, timeout_s, progress=None):
            assert all(w.paused for w in workers if w is not self and w.alive), function
            return super().call(function, arguments, timeout_s, progress)

    script = Script(a={}, b={})

    def make():
        workers.append(Watched(script))
        return workers[-1]

    record = Recorder()
    plan = SweepPlan(CELLS[:2], entrants("a", "b"))
    # opening goes two at a time, so only what follows is watched
    run_sweep(plan, host=HOST, machine=None, writer=record, watch=record, make_worker=make)
    assert len(record.rows) == 4
