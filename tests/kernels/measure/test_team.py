import numpy as np
import pytest
from mmbench.kernels.emit import ir
from mmbench.kernels.emit.jit import assembly, compile_ir
from mmbench.kernels.emit.target import Target
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.stopwatch import Kernel
from mmbench.kernels.measure.team import Team, inside, team_ir

COUNT = "\n".join(
    [
        "entry:",
        "  br label %loop",
        ir.counted_loop(
            "loop", "%n", [], ["  %v = load volatile i64, ptr %context", "  %w = add i64 %v, 1", "  store volatile i64 %w, ptr %context"]
        ),
        "done:",
        "  ret void",
    ]
)


def counters(count: int) -> list[tuple[Kernel, np.ndarray]]:
    """Kernels that add n to a word of their own."""
    code = compile_ir(ir.function("count", COUNT))
    words = [np.zeros(64, dtype=np.int64) for _ in range(count)]
    return [(Kernel(code.address("count"), w.ctypes.data, (code, w)), w) for w in words]


def test_work_inside_a_window_counts_passes_that_straddle_its_ends_in_part():
    stamps = np.array([0, 10, 20, 30, 40])
    assert inside(stamps, 100.0, 10, 30) == 200
    assert inside(stamps, 100.0, 5, 25) == 200
    assert inside(stamps, 100.0, 12, 18) == pytest.approx(60)
    uneven = np.array([0, 10, 110, 120])
    assert inside(uneven, 100.0, 0, 60) == 150
    assert inside(stamps, 100.0, 40, 40) == 0


def test_a_team_counts_no_more_than_its_members_did():
    cpus = (allowed_cpus() * 2)[:2] if len(allowed_cpus()) == 1 else allowed_cpus()[:2]
    members = counters(2)
    run = Team().run([k for k, _ in members], [1000, 500], list(cpus), 0.02)
    assert run.unpinned == () or len(run.unpinned) == 2
    assert run.window_s > 0
    for units, (_, word) in zip(run.units, members, strict=True):
        assert 0 < units <= word[0]


def test_kernels_of_different_kind_run_side_by_side_and_room_ends_a_member():
    members = counters(1)
    run = Team().run([members[0][0]], [10], [allowed_cpus()[0]], 0.01, room=8)
    assert members[0][1][0] == 10 * 8  # one pass to warm, then until the stamps are full
    assert run.units[0] == 10 * 7


def test_a_cpu_that_cannot_be_had_is_named():
    members = counters(1)
    run = Team().run([members[0][0]], [10], [100_000], 0.005)
    assert len(run.unpinned) == 1
    assert run.units[0] > 0


@pytest.mark.parametrize("name", ["haswell", "neoverse-v2", "spacemit-x60", "pwr10", "z15", "la464"])
def test_the_loop_of_a_member_can_be_emitted_for_other_chips(name):
    target = Target.named(name)
    assert "member" in assembly(team_ir(target), target)
