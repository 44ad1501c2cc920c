"""The whole decision procedure on sides that measure nothing: what is true comes out, whatever noise, drift, order and faults do."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from gate_fakes import Model, Record, dying, plan_of, run_fake
from mmbench.cli.gate_exit import gate_exit
from mmbench.configs.errors import Exit, NotPossibleError
from mmbench.configs.gatedoc import Verdict
from mmbench.configs.gateplan import Control, Stage
from mmbench.kernels.gate.launch import clock_stepped, clocks_of, drawn_launch, drawn_orders, padding, schedule_of, woven
from mmbench.kernels.gate.tuning import spoiled_of
from mmbench.reports.gate_rows import gate_document


def verdicts(folder: Path, model: Model, **more: object) -> dict[str, Verdict]:
    gate, _ = run_fake(folder, plan_of(**more), model)  # type: ignore[arg-type]
    document = gate_document(gate)
    return {row.case.shape: row.verdict for row in document.rows} | {"outcome": document.outcome}  # type: ignore[dict-item]


def test_the_truth_comes_out(tmp_path: Path) -> None:
    found = verdicts(tmp_path, Model(change={"16x16x16": 0.05, "32x16x16": -0.05}))
    assert found.pop("16x16x16") is Verdict.REGRESSION
    assert found.pop("32x16x16") is Verdict.IMPROVEMENT
    assert found.pop("outcome") == "regression"
    assert set(found.values()) == {Verdict.EQUIVALENT}


@pytest.mark.parametrize(
    "model",
    [
        Model(drift=0.001),
        Model(second=0.05),
        Model(wild=0.05, marked=True),
        Model(wild=0.05),
        Model(turn_sd=0.02, launch_sd=0.004),
    ],
    ids=["drift", "order", "marked bursts", "unmarked bursts", "noise"],
)
def test_unchanged_code_passes_whatever_disturbs_it(tmp_path: Path, model: Model) -> None:
    gate, end = run_fake(tmp_path, plan_of(), model)
    document = gate_document(gate)
    assert end is not None
    assert end.finished, end.reason
    assert document.outcome in ("passed", "inconclusive"), document.controls
    assert not any(row.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT) for row in document.rows)
    assert document.controls.planted_found == document.controls.planted == 2


def test_noise_that_hides_the_effect_is_inconclusive_and_says_what_it_could_have_seen(tmp_path: Path) -> None:
    gate, _ = run_fake(tmp_path, plan_of(4, time_budget_s=0.6), Model(launch_sd=0.08, turn_sd=0.05))
    document = gate_document(gate)
    assert document.outcome != "passed"
    for row in document.rows:
        assert row.verdict is Verdict.INCONCLUSIVE
        assert row.why
    assert any(row.could_hide for row in document.rows)


def test_a_budget_too_small_is_told_and_a_larger_one_decides(tmp_path: Path) -> None:
    cut, end = run_fake(tmp_path, plan_of(3, controls=False, time_budget_s=60.0), Model(launch_sd=20.0))
    assert end is not None
    assert not end.finished
    assert "too short to show anything" in end.reason
    document = gate_document(cut)
    assert gate_exit(document, frozenset({"regression"}))[0] is Exit.INCONCLUSIVE
    assert gate_exit(document, frozenset())[0] is Exit.OK
    whole, end = run_fake(tmp_path, plan_of(3, controls=False), Model(), path=cut.path)
    assert end is not None
    assert len(whole.promises) == 2


def test_a_process_that_cannot_be_started_once_is_tried_again(tmp_path: Path) -> None:
    failed = []

    def fails(side: str, function: str, _case: object, launch: int) -> None:
        if side == "new" and function == "open_kernel" and launch == 4 and not failed:
            failed.append(launch)
            raise dying("no worker process could be started: Cannot allocate memory")

    gate, end = run_fake(tmp_path, plan_of(4), Model(fails=fails))
    assert failed
    assert end is not None
    assert end.finished
    assert gate_document(gate).outcome == "passed"


def test_a_new_side_that_cannot_be_started_any_more_leaves_the_controls_alone(tmp_path: Path) -> None:
    def fails(side: str, function: str, _case: object, launch: int) -> None:
        if side == "new" and function == "open_kernel" and launch >= 4:
            raise dying("libfoo.so: cannot be loaded")

    gate, _ = run_fake(tmp_path, plan_of(4), Model(fails=fails))
    document = gate_document(gate)
    assert {row.verdict for row in document.rows} == {Verdict.CRASHED}
    assert document.controls.planted_found == 2
    assert document.outcome == "crashed"


def test_a_gate_without_time_says_that_it_could_show_nothing(tmp_path: Path) -> None:
    watch = Record()
    gate, end = run_fake(tmp_path, plan_of(time_budget_s=1e-6), Model(), watch=watch)
    assert end is not None
    assert not end.finished
    assert "time budget" in end.reason
    document = gate_document(gate)
    assert document.outcome == "missing"
    assert all(row.verdict is Verdict.MISSING for row in document.rows)


def test_the_planner_speaks_before_anything_is_decided(tmp_path: Path) -> None:
    watch = Record()
    gate, _ = run_fake(tmp_path, plan_of(), Model(), watch=watch)
    assert len(watch.promises) == 1
    assert "3 % on 8 of 8 cells" in watch.promises[0].sentence
    assert watch.stages[0] is Stage.PILOT
    assert watch.stages[-1] is Stage.CONFIRM  # the planted cells at least
    lines = gate.path.read_text(encoding="utf-8").splitlines()
    kinds = [line[10 : line.index('"', 10)] for line in lines[1:]]
    assert kinds.index("promise") < max(i for i, line in enumerate(lines[1:]) if '"stage":"confirm"' in line)


def test_only_fresh_launches_confirm(tmp_path: Path) -> None:
    gate, _ = run_fake(tmp_path, plan_of(), Model(change={"16x16x16": 0.05}))
    screen = {block.launch for block in gate.blocks if block.stage is Stage.SCREEN}
    confirm = {block.launch for block in gate.blocks if block.stage is Stage.CONFIRM}
    assert confirm
    assert not screen & confirm


def test_a_side_that_dies_costs_its_cell_only(tmp_path: Path) -> None:
    def fails(side: str, function: str, case: object, launch: int) -> None:
        if side == "new" and function == "relay_cell" and case is not None and case.shape == "48x16x16" and launch == 3:  # type: ignore[attr-defined]
            raise dying()

    watch = Record()
    gate, end = run_fake(tmp_path, plan_of(), Model(fails=fails), watch=watch)
    document = gate_document(gate)
    assert end is not None
    assert end.finished
    assert [(s.state, s.side) for s in watch.states] == [("crashed", "new")]
    assert {row.case.shape: row.verdict for row in document.rows if row.verdict is not Verdict.EQUIVALENT} == {"48x16x16": Verdict.CRASHED}
    assert document.outcome == "crashed"
    crashed = next(row for row in document.rows if row.verdict is Verdict.CRASHED)
    assert "new side: killed by SIGSEGV" in crashed.why


def test_a_side_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    def fails(side: str, function: str, case: object, launch: int) -> None:
        if side == "new" and function == "prepare_cell" and launch == 2:
            raise dying("no answer within 120 s: ended", hung=True)

    gate, _ = run_fake(tmp_path, plan_of(3, controls=False), Model(fails=fails))
    assert {row.verdict for row in gate_document(gate).rows} >= {Verdict.TIMEOUT}


def test_an_old_side_that_cannot_be_opened_ends_the_gate(tmp_path: Path) -> None:
    def fails(side: str, function: str, _case: object, _launch: int) -> None:
        if side == "old" and function == "open_kernel":
            raise dying("libfoo.so: undefined symbol: bar")

    with pytest.raises(NotPossibleError, match=r"the old side .* cannot be used: libfoo\.so"):
        run_fake(tmp_path, plan_of(), Model(fails=fails))


def test_a_gate_that_was_cut_off_goes_on_and_measures_nothing_twice(tmp_path: Path) -> None:
    calls = 0

    def fails(_side: str, function: str, _case: object, _launch: int) -> None:
        nonlocal calls
        calls += function == "relay_cell"
        if calls == 100:
            raise KeyboardInterrupt

    plan = plan_of()
    cut, end = run_fake(tmp_path, plan, Model(change={"16x16x16": 0.05}, fails=fails))
    assert end is None
    assert not cut.finished
    assert cut.blocks
    whole, end = run_fake(tmp_path, plan, Model(change={"16x16x16": 0.05}), path=cut.path)
    assert end is not None
    assert end.finished
    assert whole.blocks[: len(cut.blocks)] == cut.blocks
    seen = [(block.cell, block.launch) for block in whole.blocks]
    assert len(seen) == len(set(seen))
    assert {t.cell for t in whole.tuned} == set(range(len(plan.cells)))
    assert len(whole.tuned) == len(plan.cells)
    assert gate_document(whole).outcome == "regression"


def test_a_biased_copy_makes_the_run_untrusted(tmp_path: Path) -> None:
    gate, _ = run_fake(tmp_path, plan_of(), Model(launch_sd=0.001, turn_sd=0.002))
    assert gate_document(gate).outcome == "passed"
    # The same blocks, planted ones taken for those of the old side against itself: what a bias of place would look like.
    swapped = {Control.SAME: Control.PLANTED, Control.PLANTED: Control.SAME, Control.NONE: Control.NONE}
    cells = tuple(replace(cell, control=swapped[cell.control]) for cell in gate.plan.cells)
    document = gate_document(replace(gate, plan=replace(gate.plan, cells=cells)))
    assert document.outcome == "untrusted"
    assert any("against its own copy" in reason for reason in document.controls.untrusted)


def test_schedules_hold_every_turn_once_and_times_are_woven_in_order() -> None:
    orders = drawn_orders(7, random.Random(1))
    old, new = schedule_of(orders)
    assert sorted([*old, *new]) == list(range(28))
    assert len(old) == len(new) == 14
    assert schedule_of("ab") == ([0, 3, 5, 6], [1, 2, 4, 7])
    answers = [{"time_s": [float(t) for t in side for _ in range(2)], "marks": [f"m{t}" for t in side]} for side in (old, new)]
    times, marks = woven((old, new), answers, 2)
    assert times == [float(t) for t in range(28) for _ in range(2)]
    assert marks == [f"m{t}" for t in range(28)]


def test_a_visit_in_which_the_clock_stepped_is_told_and_a_side_that_slows_the_core_never() -> None:
    slowing = [3.0e9, 2.7e9, 2.7e9, 3.0e9] * 16  # the new side's vectors slow the core, in every quartet
    assert not clock_stepped(slowing)
    assert clock_stepped([*slowing[:32], *(0.9 * hz for hz in slowing[32:])])
    order = random.Random(4)
    assert not clock_stepped([hz * (0.3 if order.random() < 0.1 else 1.0) for hz in slowing])  # neighbours slow single readings
    assert not clock_stepped([3.0e9] * 8 + [1.0e9] * 8)  # too few to tell
    assert not clock_stepped([0.0] * 200)
    old, new = schedule_of("ab")
    answers = [{"clock_hz": [1, 4, 6, 7]}, {"clock_hz": [2, 3, 5, 8]}]
    assert clocks_of((old, new), answers) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_launches_differ_in_what_is_drawn() -> None:
    order = random.Random(3)
    launches = [drawn_launch(i, Stage.SCREEN, order) for i in range(50)]
    for name in ("environment_bytes", "path_chars", "offset_bytes"):
        assert len({getattr(launch, name) for launch in launches}) > 10
    assert {launch.first for launch in launches} == {"old", "new"}
    assert all(launch.offset_bytes % 64 == 0 for launch in launches)
    assert any(padding(launch, "old") != padding(launch, "new") for launch in launches)


def test_units_behind_a_switch_are_left_out_only_where_they_are_slow() -> None:
    order = random.Random(5)

    def turns(slow: tuple[float, ...]) -> list[list[float]]:
        return [[(1 + (slow[i] if i < len(slow) else 0)) * order.gauss(1, 0.002) for i in range(4)] for _ in range(12)]

    assert spoiled_of(turns(())) == 0
    assert spoiled_of(turns((0.10,))) == 1
    assert spoiled_of(turns((0.10, 0.05))) == 2
