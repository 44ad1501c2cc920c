"""Two stored runs: how often nothing is called a regression, what is found all the same, and what nobody can know."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from mmbench.configs.gatedoc import Verdict
from mmbench.kernels.gate.blocks import State
from mmbench.kernels.gate.stored import LEAST_CELLS, StoredCell, StoredRules, decide_stored, drift_of

RULES = StoredRules()


def grid(
    seed: int, count: int = 60, *, noise: float = 0.01, heavy: bool = False, changed: dict[int, float] | None = None
) -> list[StoredCell]:
    """Two runs, each with a drift of 3 % that all cells share and noise of its own in each cell; in every tenth three times as much."""
    random = np.random.default_rng(seed)
    scale = noise * np.where(random.random(count) < 0.1, 3.0 if heavy else 1.0, 1.0)
    runs = [random.normal(0, 0.03) + scale * random.normal(0, 1, count) for _ in range(2)]
    differences = runs[1] - runs[0]
    for place, effect in (changed or {}).items():
        differences[place] += math.log1p(effect)
    return [StoredCell(str(i), difference=float(d), sd=0.003) for i, d in enumerate(differences)]


def verdicts(cells: list[StoredCell], rules: StoredRules = RULES) -> list[Verdict]:
    return [finding.verdict for finding in decide_stored(cells, rules)[1]]


@pytest.mark.parametrize("count", [LEAST_CELLS, 20, 60])
def test_unchanged_runs_are_called_slower_less_often_than_alpha(count: int) -> None:
    runs = 400
    alarms = sum(Verdict.REGRESSION in verdicts(grid(seed, count)) for seed in range(runs))
    assert alarms <= RULES.alpha * runs + 3 * math.sqrt(runs * RULES.alpha)


def test_cells_that_scatter_more_than_others_cost_few_false_alarms() -> None:
    """What is stated where the rule is: at most 4 %."""
    runs = 300
    assert sum(Verdict.REGRESSION in verdicts(grid(seed, heavy=True)) for seed in range(runs)) <= 0.04 * runs + 3 * math.sqrt(0.04 * runs)


def test_a_slowdown_that_stands_out_is_found_in_its_cell_alone() -> None:
    found = [verdicts(grid(seed, changed={5: 0.15})) for seed in range(100)]
    assert sum(each[5] is Verdict.REGRESSION for each in found) >= 95
    assert sum(each.count(Verdict.REGRESSION) > 1 for each in found) <= 2
    faster = [verdicts(grid(seed, changed={5: -0.15})) for seed in range(100)]
    assert sum(each[5] is Verdict.IMPROVEMENT for each in faster) >= 95


def test_what_it_says_that_it_could_have_seen_it_sees() -> None:
    """A slowdown of the stated size is found with about the stated power."""
    seen = 0
    for seed in range(150):
        cells = grid(seed)
        smallest = decide_stored(cells, RULES)[1][7].smallest or 0.1
        seen += verdicts(grid(seed, changed={7: smallest}))[7] is Verdict.REGRESSION
    assert seen >= 0.85 * 150


def test_small_slowdowns_are_inconclusive_and_never_green() -> None:
    for seed in range(50):
        finding = decide_stored(grid(seed, changed={5: 0.04}), RULES)[1][5]
        assert finding.verdict is not Verdict.EQUIVALENT or finding.high < RULES.detect
        if finding.verdict is Verdict.INCONCLUSIVE:
            assert finding.smallest > RULES.detect
            assert "would have been told" in finding.why


def test_a_quiet_machine_has_equivalent_cells() -> None:
    cells = grid(3, noise=0.002)
    found = decide_stored([replace(cell, sd=0.001) for cell in cells], RULES)[1]
    assert sum(f.verdict is Verdict.EQUIVALENT for f in found) >= 55
    assert all(-RULES.detect < f.low < f.high < RULES.detect for f in found if f.verdict is Verdict.EQUIVALENT)


def test_what_all_cells_share_is_taken_for_the_machine() -> None:
    slower = [replace(cell, difference=cell.difference + math.log(1.25)) for cell in grid(4)]
    assert Verdict.REGRESSION not in verdicts(slower)


def test_cells_of_the_same_code_tell_the_machine_from_a_change_of_all_others() -> None:
    cells = [replace(cell, same_code=i < 20, difference=cell.difference + (i >= 20) * math.log(1.25)) for i, cell in enumerate(grid(4))]
    drift, findings = decide_stored(cells, RULES)
    assert drift is not None
    assert (drift.by_code, drift.cells) == (True, 20)
    assert [f.verdict for f in findings[20:]].count(Verdict.REGRESSION) >= 38
    assert Verdict.REGRESSION not in [f.verdict for f in findings[:20]]
    few = [replace(cell, same_code=i < LEAST_CELLS - 1) for i, cell in enumerate(cells)]
    assert drift_of(few) is not None
    assert not drift_of(few).by_code  # type: ignore[union-attr]


def test_one_fast_cell_makes_slow_ones_less_sure() -> None:
    """Noise that makes one cell faster makes another slower: the scatter of the fast side counts for the slow one."""
    alone, beside = grid(9, changed={5: 0.12}), grid(9, changed={5: 0.12, 6: -0.2})
    assert verdicts(alone)[5] is Verdict.REGRESSION
    assert verdicts(beside)[5] is Verdict.INCONCLUSIVE


def test_too_few_cells_have_no_verdict() -> None:
    drift, findings = decide_stored(grid(1, LEAST_CELLS - 1, changed={0: 2.0}), RULES)
    assert drift is None
    assert {f.verdict for f in findings} == {Verdict.INCONCLUSIVE}
    assert all(math.isinf(f.smallest) and f.could_hide for f in findings)
    assert "fewer than 8" in findings[0].why


def test_cells_without_a_result_are_named_and_count() -> None:
    cells = grid(2, 30, changed={5: 0.5})
    cells[0] = StoredCell("0", state=State.WRONG, note="511 for 638")
    cells[1] = StoredCell("1", state=State.DELETED)
    cells[2] = StoredCell("2", note="timed by python then and by machine now")
    findings = decide_stored(cells, RULES)[1]
    assert [f.verdict for f in findings[:3]] == [Verdict.WRONG, Verdict.DELETED, Verdict.INCONCLUSIVE]
    assert findings[0].why == "511 for 638"
    assert findings[2].why.startswith("timed by python")
    assert findings[5].verdict is Verdict.REGRESSION
    assert findings[5].needed == pytest.approx(RULES.alpha / 30)


def test_runs_without_any_scatter_divide_by_nothing() -> None:
    cells = [StoredCell(str(i), difference=0.0, sd=0.0) for i in range(10)]
    assert set(verdicts(cells)) == {Verdict.EQUIVALENT}
    cells[0] = replace(cells[0], difference=0.5)
    assert verdicts(cells)[0] is Verdict.REGRESSION


def test_the_same_code_slower_says_where_to_look() -> None:
    cells = [replace(cell, same_code=True) for cell in grid(8, changed={5: 0.3})]
    assert "look for what else changed" in decide_stored(cells, RULES)[1][5].why


@pytest.mark.parametrize("wrong", [{"margin": 0.05}, {"alpha": 0.0}, {"level": 1.0}, {"margin": -0.1}])
def test_rules_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        StoredRules(**wrong)
