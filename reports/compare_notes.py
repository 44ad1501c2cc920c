"""Say what a reader of a comparison must know: what its intervals leave out, what was made up, what is known badly."""

from __future__ import annotations

from ..configs.comparedoc import CompareDocument, Pair
from ..configs.kernel_names import without_origin
from .sweep_words import HELPED

_MANY = 20  # cells from which chance alone is likely to show a difference


def notes_of(document: CompareDocument) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    found = [*_synthetic(document), *_drift(document), *_versions(document), *_noise(document), *_help(document), *_chance(document)]
    return tuple(found)


def _synthetic(document: CompareDocument) -> list[str]:
    made_up = [(letter, side.machine_id) for letter, side in (("A", document.a), ("B", document.b)) if side.synthetic]
    if not made_up:
        return []
    who = " and ".join(letter if len(made_up) == 2 else f"{letter} ({machine})" for letter, machine in made_up)
    verb = "are made up and were" if len(made_up) == 2 else "is made up and was"
    return [f"synthetic: {who} {verb} measured nowhere; the ratios show how a comparison looks, and nothing of any machine"]


def same_runs(document: CompareDocument) -> bool:
    """Whether both sides are rows of one and the same sweep, so that they took turns."""
    return document.a.machine_id == document.b.machine_id and document.a.runs == document.b.runs and len(document.a.runs) == 1


def _drift(document: CompareDocument) -> list[str]:
    a, b = document.a, document.b
    if same_runs(document):
        return []
    if a.machine_id == b.machine_id and a.runs == b.runs:
        words = f"the rows are of {len(a.runs)} sweeps, and those of one cell may be of different ones"
        return [f"{words}: what changed on the machine between them is not in the intervals"]
    where = "two runs of one machine" if a.machine_id == b.machine_id else "runs of two machines"
    words = f"A and B are of {where}, and did not take turns: what else changed between the runs (clock, temperature, neighbours)"
    return [f"{words} is not in the intervals; to see how much that is, run A once more and compare it with itself"]


def _versions(document: CompareDocument) -> list[str]:
    """Kernels that were named on both sides may differ in version: that is the question then, and is said."""
    if without_origin(document.a.kernel) != without_origin(document.b.kernel) or not document.a.kernel:
        return []
    differing = {(pair.a.version, pair.b.version): None for pair in document.pairs if pair.a.version != pair.b.version}
    return [f"versions differ: {x or 'unknown'} in A, {y or 'unknown'} in B" for x, y in list(differing)[:3]]


def _noise(document: CompareDocument) -> list[str]:
    noisy = [pair for pair in document.pairs if _is_noisy(pair)]
    if not noisy:
        return []
    cells = "1 cell" if len(noisy) == 1 else f"{len(noisy)} of {len(document.pairs)} cells"
    return [f"in {cells} a time is not known as well as its sweep asked for; the interval says how well"]


def _is_noisy(pair: Pair) -> bool:
    return pair.a.noisy or pair.b.noisy


def _help(document: CompareDocument) -> list[str]:
    helped = [pair for pair in document.pairs if pair.helped]
    if not helped:
        return []
    cells = "1 cell" if len(helped) == 1 else f"{len(helped)} of {len(document.pairs)} cells"
    return [f"in {cells}, marked {HELPED}, threads of a library's own helped beyond those that were asked for: no fair ratio"]


def _chance(document: CompareDocument) -> list[str]:
    n = len(document.pairs)
    if n < _MANY:
        return []
    expected = max(1, round(n / _MANY))
    return [f"each interval holds with about 95 %: of {n} cells without a difference, about {expected} would show one by chance"]
