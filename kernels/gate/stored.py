"""Decide between two stored runs of one machine, which were minutes or months apart: what can be said all the same, and how little that is.

Nothing tells the drift of a machine from a change of all cells. So the median difference is taken for the machine's (of the cells whose
machine code is the same in both runs where there are enough, else of all: then most of them must not have changed), and a cell is judged
by how it stands out from the others. What others scatter by is its noise, beside the intervals within both runs: that scatter is all that
one run on either side shows of what differs between runs (addresses, neighbours, a clock that came and went).

- Scatter towards slower is the robust one (MAD), or the larger one that the fastest cell stands for: what makes single cells faster makes
  others slower by as much, and a normal tail through the middle would not know. So a real improvement hides regressions of its size and
  more, but for where cells of the same code tell the scatter.
- Student's t with the degrees of freedom that a MAD of so many cells is worth, and Holm's steps over all cells.
- Equivalent means that the whole interval lies within the effect to detect. A noisy machine has no equivalent cells here, and says so.
- Below `LEAST_CELLS` there is no scatter to be known, and no verdict.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ...configs.gatedoc import Verdict
from ..measure.stats import mad_sd
from .blocks import State
from .decide import Finding, holm

LEAST_CELLS = 8
_WORTH = 0.37  # efficiency of a MAD beside a standard deviation, normal values (Rousseeuw and Croux, J. Am. Stat. Assoc. 88 (1993) 1273)
# Scatter of cells is no sample of equal things, however many there are. Simulated: where one cell in ten scatters three times as much as
# the rest, 12 leaves 1 % to 4 % false alarms, 30 up to 7 %; either leaves none where all scatter alike.
_MOST_FREEDOM = 12.0


@dataclass(frozen=True, slots=True)
class StoredRules:
    """Effects and margins are shares of time, `alpha` the chance that any cell is called slower (or faster) wrongly."""

    margin: float = 0.01
    detect: float = 0.03
    alpha: float = 0.01
    power: float = 0.95
    level: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.margin < self.detect or not all(0 < x < 1 for x in (self.alpha, self.power, self.level)):
            raise ValueError("margins, effects or chances that cannot be")


@dataclass(frozen=True, slots=True)
class StoredCell:
    """One cell of both runs. `difference` is ln(new / old), `sd` its standard deviation by the intervals within both runs."""

    name: str
    family: str = ""
    state: State = State.TIMED
    difference: float = math.nan
    sd: float = math.nan
    same_code: bool = False
    note: str = ""

    @property
    def usable(self) -> bool:
        """Whether it has a difference that is known in some way."""
        return self.state is State.TIMED and math.isfinite(self.difference) and math.isfinite(self.sd) and self.sd >= 0


@dataclass(frozen=True, slots=True)
class Drift:
    """What both runs differ by as a whole, in logs: `shift` with its standard error, and how `cells` cells scatter around it towards slower
    and towards faster. `by_code`: these are the cells whose machine code is the same in both."""

    shift: float
    error: float
    slower: float
    faster: float
    cells: int
    freedom: float
    by_code: bool


def drift_of(cells: Sequence[StoredCell]) -> Drift | None:
    """The drift between both runs; None where too few cells are in both."""
    usable = [cell for cell in cells if cell.usable]
    same = [cell for cell in usable if cell.same_code]
    chosen = same if len(same) >= LEAST_CELLS else usable
    count = len(chosen)
    if count < LEAST_CELLS:
        return None
    shift = statistics.median(cell.difference for cell in chosen)
    away = sorted(cell.difference - shift for cell in chosen)
    middle = mad_sd(away)
    usual = -statistics.NormalDist().inv_cdf(0.625 / (count + 0.25))  # of the first of so many (Blom 1958)
    slower, faster = max(middle, -away[0] / usual), max(middle, away[-1] / usual)
    error = math.sqrt(math.pi / 2 / count) * middle
    return Drift(shift, error, slower, faster, count, min(_MOST_FREEDOM, max(1.0, _WORTH * (count - 1))), len(same) >= LEAST_CELLS)


def decide_stored(cells: Sequence[StoredCell], rules: StoredRules) -> tuple[Drift | None, tuple[Finding, ...]]:
    """(the drift, the verdicts in the order of the cells). All cells count for Holm's steps, those without a result too."""
    drift = drift_of(cells)
    margin = math.log1p(rules.margin)
    slower = [_p(cell, drift, margin, 1) for cell in cells]
    faster = [_p(cell, drift, margin, -1) for cell in cells]
    worse, better = holm(slower, rules.alpha), holm(faster, rules.alpha)
    found = []
    for i, cell in enumerate(cells):
        if cell.state is not State.TIMED:
            found.append(Finding(cell.name, cell.family, Verdict(cell.state.value), why=cell.note))
        elif drift is None or not cell.usable:
            found.append(Finding(cell.name, cell.family, Verdict.INCONCLUSIVE, smallest=math.inf, why=_unusable(cell, cells)))
        elif worse[i][0]:
            found.append(_judged(cell, drift, rules, Verdict.REGRESSION, (slower[i], worse[i][1]), len(cells)))
        elif better[i][0]:
            found.append(_judged(cell, drift, rules, Verdict.IMPROVEMENT, (faster[i], better[i][1]), len(cells)))
        else:
            found.append(_judged(cell, drift, rules, None, (slower[i], worse[i][1]), len(cells)))
    return drift, tuple(found)


def _p(cell: StoredCell, drift: Drift | None, margin: float, sign: int) -> float:
    """p against `no more than the margin` in one direction; 1 where nothing can be said."""
    from scipy.special import stdtr  # here: it is slow to import, and `--help` comes past

    if drift is None or not cell.usable:
        return 1.0
    spread = math.hypot(cell.sd, drift.slower if sign > 0 else drift.faster, drift.error)
    beyond = sign * (cell.difference - drift.shift) - margin
    if spread == 0:
        return 0.0 if beyond > 0 else 1.0
    return float(stdtr(drift.freedom, -beyond / spread))


def _unusable(cell: StoredCell, cells: Sequence[StoredCell]) -> str:
    if not cell.usable:
        return cell.note or "a time or its interval is missing on a side"
    count = sum(each.usable for each in cells)
    return f"{count} cells are in both runs, and how a machine drifts between runs cannot be known from fewer than {LEAST_CELLS}"


def _judged(
    cell: StoredCell, drift: Drift, rules: StoredRules, verdict: Verdict | None, evidence: tuple[float, float], count: int
) -> Finding:
    """One cell with its estimate, its interval, and the verdict where the tests have none."""
    from scipy.special import stdtrit

    detect = math.log1p(rules.detect)
    middle = cell.difference - drift.shift
    spread = math.hypot(cell.sd, max(drift.slower, drift.faster), drift.error)
    half = float(stdtrit(drift.freedom, 0.5 + rules.level / 2)) * spread
    low, high = middle - half, middle + half
    smallest, why = 0.0, ""
    if verdict is None:
        if -detect < low and high < detect:
            verdict = Verdict.EQUIVALENT
        else:
            verdict = Verdict.INCONCLUSIVE
            towards = math.hypot(cell.sd, drift.slower, drift.error)
            reach = float(stdtrit(drift.freedom, 1 - rules.alpha / count) + stdtrit(drift.freedom, rules.power)) * towards
            smallest = math.expm1(min(700.0, math.log1p(rules.margin) + reach))
            why = f"between these runs a slowdown of {100 * smallest:.2g} % would have been told from drift"
    elif verdict is Verdict.REGRESSION and cell.same_code:
        why = "its machine code is the same in both runs: look for what else changed"
    change, low_share, high_share = (math.expm1(min(end, 700.0)) for end in (middle, low, high))
    p, needed = evidence
    return Finding(
        cell.name,
        cell.family,
        verdict,
        change,
        low_share,
        high_share,
        p,
        needed,
        smallest=smallest,
        could_hide=high >= detect or verdict is Verdict.REGRESSION,
        why=why,
    )
