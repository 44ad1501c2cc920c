"""Libraries that misbehave, each in its manner, through a real sweep: the row says so, and no other kernel's row is lost."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Measurement, Status
from mmbench.configs.plan import Cell, Entrant, Opened, SweepPlan
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.sweep import run_sweep

sys.path.insert(0, str(Path(__file__).parent))
from broken_libraries.build import BYTES, MANNERS, build, compiler

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="needs gcc"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux"),
]
CUBE = Case(24, 24, 24)
CUBE_OF_BYTES = Case(24, 24, 24, dtype="u8s8")
HOST = Host.of(None, (0, 1))
HURRY_S = 4.0  # these libraries answer in milliseconds or never
FINE = (Status.OK, Status.NOISY)  # proven and timed; how calm this machine is, is no matter here
ELEMENT = r"row \d+, column \d+: \S+ instead of \S+: "
TAIL = "likely the last (rows or )?columns"
NAN_FROM_C = "likely NaN or infinity came from C, which must not be read when beta is 0"
SATURATION = r"likely saturation at 16 bits: pairs of products are added in 16-bit lanes \(vpmaddubsw\)"

SLOW = ("hangs", "hangs_later", "runs_threads", "runs_processes")  # these take time from the others of their cell

# What the row must be, and what its reason (for OK: a warning) must say. Every manner is here.
EXPECTED = {
    "right": (Status.OK, ""),
    "writes_nothing": (Status.WRONG, ELEMENT + "likely nothing was written"),
    "leaves_a_tail": (Status.WRONG, ELEMENT + TAIL),
    "writes_past_the_end": (Status.WRONG, "C: wrote past its end"),
    "writes_before_the_beginning": (Status.WRONG, "C: wrote before its beginning"),
    "writes_into_the_gap": (Status.WRONG, "rows with gaps .* C: wrote into the gap between its rows"),
    "writes_a": (Status.WRONG, "A was changed, an input"),
    "reads_past_the_end": (Status.CRASHED, r"integer-exact at 5x7x3: killed by SIGSEGV \(a bad memory access\)"),
    "reads_past_the_end_of_b": (Status.CRASHED, r"integer-exact at 5x7x3: killed by SIGSEGV \(a bad memory access\)"),
    "ignores_alpha": (Status.WRONG, "alpha .*" + ELEMENT + "likely alpha is left out"),
    "ignores_beta": (Status.WRONG, "beta 1 .*" + ELEMENT + "likely beta is left out"),
    "adds_c": (Status.WRONG, r"beta 1\.3 .*" + ELEMENT + "likely beta is taken as 1"),
    "reads_c_at_beta_0": (Status.WRONG, ELEMENT + NAN_FROM_C),
    "wrong_last_tile": (Status.WRONG, ELEMENT + TAIL),
    "transposes_a": (Status.WRONG, ELEMENT + "likely A is transposed"),
    "transposes_c": (Status.WRONG, ELEMENT + "likely C is transposed"),
    "ignores_lda": (Status.WRONG, "rows with gaps .*" + ELEMENT[:-2]),
    "masks_nan": (Status.WRONG, "nan in row 4 of A: it is lost"),
    "sums_in_half": (Status.WRONG, ELEMENT + "likely sums in f16"),
    "rounds_operands": (Status.WRONG, "normal numbers .*" + ELEMENT + "likely A and B are rounded to bf16"),
    "now_and_then": (Status.WRONG, ELEMENT + "likely chance: a second run gave other numbers"),
    "wrong_later": (Status.WRONG, "after the timed calls: " + ELEMENT[:-2]),
    "remembers": (Status.WRONG, "after the timed calls: " + ELEMENT + "likely nothing was written"),
    "segfaults": (Status.CRASHED, "its first call: killed by SIGSEGV"),
    "illegal": (Status.CRASHED, r"killed by SIGILL \(an instruction that this machine does not execute\)"),
    "aborts": (Status.CRASHED, "killed by SIGABRT .*too many memory regions"),
    "exits": (Status.CRASHED, "ended with exit code 0"),
    "exits_later": (Status.CRASHED, "ended with exit code 0"),
    "divides_by_zero": (Status.CRASHED, "killed by SIGFPE"),
    "hangs": (Status.TIMEOUT, "its first call: no answer within 4 s"),
    "hangs_later": (Status.TIMEOUT, "no answer within 4 s"),
    "runs_threads": (Status.OK, r"threads of its own used \d+ % of the CPU time where one thread was asked for"),
    "runs_processes": (Status.OK, "it runs 1 process of its own"),
    "leaks": (Status.OK, "memory grew by"),
    "leaks_a_little": (Status.OK, "memory grew by"),
    "prints": (Status.OK, ""),
    "flushes_denormals": (Status.OK, "made this thread take numbers below the smallest normal one for 0, and left it so"),
    "rounds_down": (Status.OK, "made this thread round otherwise than to nearest, and left it so"),
    "right_bytes": (Status.OK, ""),
    "saturates": (Status.WRONG, "full-range integers at 9x21x67: " + ELEMENT + SATURATION),
    "saturates_in_vectors": (Status.WRONG, "full-range integers at 19x8x64: " + ELEMENT + SATURATION),
}


class Record:
    """The run file and the watcher in one."""

    def __init__(self) -> None:
        self.rows: list[Measurement] = []
        self.openings: dict[str, Opened] = {}

    def append(self, kind, payload=None):
        pass

    def started(self, plan):
        pass

    def opened(self, info):
        self.openings[info.kernel] = info

    def cell(self, index, total, cell, left_s):
        pass

    def noise(self, share):
        pass

    def row(self, row):
        self.rows.append(row)

    def note(self, text):
        pass

    def row_of(self, manner: str, case: Case | None = None) -> Measurement:
        name = manner if manner == "naive" else kernel_of(manner)
        wanted = case or (CUBE_OF_BYTES if manner in BYTES else CUBE)
        (row,) = [r for r in self.rows if r.variant.kernel == name and r.case == wanted]
        return row


def kernel_of(manner: str) -> str:
    """The name under which a library takes part: its origin also tells the manner, so that several fit into one sweep."""
    return f"{'mkl' if manner in BYTES else 'openblas'}@given-{manner}"


class Hurried(Worker):
    """A worker that is given up early where it runs a library that hangs."""

    hurried = False

    def call(self, function, arguments, timeout_s, progress=None):
        self.hurried |= "hangs" in arguments.get("entrant", {}).get("kernel", "")
        waits_s = HURRY_S if self.hurried and not function.endswith("open_kernel") else timeout_s
        return super().call(function, arguments, waits_s, progress)


def entrant_of(folder: Path, manner: str) -> Entrant:
    """The library as `--library openblas=PATH` or `--library mkl=PATH` gives it."""
    library = "mkl" if manner in BYTES else "openblas"
    found, _ = find_entrants(("naive",), {library: str(build(folder, manner))})
    (given,) = [e for e in found if e.kernel == f"{library}@given"]
    return replace(given, kernel=kernel_of(manner))


def swept(folder: Path, manners: tuple[str, ...], cases: tuple[Case, ...] = (CUBE,)) -> Record:
    record = Record()
    naive, _ = find_entrants(("naive",))
    plan = SweepPlan(tuple(Cell(c) for c in cases), (*naive, *(entrant_of(folder, m) for m in manners)), precision=0.5)
    end = run_sweep(plan, host=HOST, machine=None, writer=record, watch=record, make_worker=Hurried)
    assert end.finished
    return record


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(scope="module")
def records(folder):
    """One row for each manner, by a few sweeps of several libraries each beside `naive`."""
    quick = [m for m in MANNERS if m not in SLOW and m not in BYTES]
    groups = [SLOW, *(tuple(quick[i : i + 8]) for i in range(0, len(quick), 8))]
    found = {manner: record for group in groups for record in [swept(folder, group)] for manner in group}
    of_bytes = swept(folder, tuple(BYTES), (CUBE_OF_BYTES,))
    return found | dict.fromkeys(BYTES, of_bytes)


def test_every_manner_has_its_expectation():
    assert set(EXPECTED) == set(MANNERS)


@pytest.mark.parametrize("manner", MANNERS)
def test_the_row_tells_what_is_wrong(records, manner):
    status, words = EXPECTED[manner]
    row = records[manner].row_of(manner)
    said = " | ".join(row.warnings) if status is Status.OK else row.reason
    assert row.status in (FINE if status is Status.OK else (status,)), f"{row.status}: {row.reason} {row.warnings}"
    assert re.search(words, said), said
    if status is Status.OK:
        assert row.reason == "" or row.status is Status.NOISY
        assert bool(said) == bool(words), said
        assert row.check is not None
        assert row.check.passed
        assert row.samples.time_s
    else:
        assert row.samples.time_s == ()  # nothing of it can be taken for a time


def test_the_kernel_beside_them_loses_nothing(records):
    for record, case in {id(r): (r, r.row_of(m).case) for m, r in records.items()}.values():
        row = record.row_of("naive", case)
        assert row.status in FINE
        assert row.warnings == ()
        assert row.samples.time_s


def test_the_library_is_described_in_its_own_words(records):
    opened = records["right"].openings["openblas@given-right"]
    assert (opened.version, opened.core, opened.threading, opened.problem) == ("0.0.99", "Broken", "pthreads", "")


def test_after_a_crash_the_next_cell_has_rows_of_all_and_f64_is_held_to_its_own_digits(folder):
    first, second = Case(24, 20, 16, dtype="f64"), Case(16, 20, 24, dtype="f64")
    record = swept(folder, ("segfaults", "sums_in_half"), (first, second))
    assert len(record.rows) == 6
    for case in (first, second):
        assert record.row_of("naive", case).status in FINE
        assert record.row_of("segfaults", case).status is Status.CRASHED
        single = record.row_of("sums_in_half", case)
        assert single.status is Status.WRONG
        assert re.search("normal numbers .*" + ELEMENT + "likely sums in f32", single.reason), single.reason


def test_no_process_of_theirs_is_left(records, folder):
    """A sweep ends its workers and what these have started."""
    assert records
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "maps").read_text(encoding="utf-8", errors="replace"):
                left.append(process.name)
        except OSError:  # it ended, or is not ours to look at
            continue
    assert left == []
