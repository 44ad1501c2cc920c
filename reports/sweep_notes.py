"""Sum up who was not asked and what is absent, one line a class of reasons: the short end of a sweep's screen and of its plan.

Reasons are sentences of kernels and adapters; they are told apart by how they are worded. A reason that fits no class is one of its own
where it stands alone, and a call that the library does not have where there are several.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ..configs.kernel_names import UNFUSED, fused_of, is_unfused
from ..configs.sweepdoc import SweepDocument
from ..configs.sweeplog import Missing
from .sweep_words import absent_words, in_cells, short, twin_words

_NO_TYPE = "the data type is not served"
# Class -> how its reasons read; a test holds these against the reasons of real plans.
_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (f"where there is no epilogue, the same as without {UNFUSED}", re.compile(r"without an epilogue it is ")),
    (_NO_TYPE, re.compile(r".*\b(has|have) no (product|function|\w+) (of|\()|.*multiplies unsigned by signed")),
    ("a call would take too long, by a guess", re.compile(r"a call would take ")),
    ("no memory for it beside the others", re.compile(r"memory holds operands ")),
    ("not selected by -k", re.compile(r"not selected by -k$")),
)
_OTHER = "the shape, layout, scalars or threads are not served"
_NOT_HERE = "not for "  # how `kernels.entrants.copies_of` begins for a library that does not exist for this system


def class_of(reason: str) -> str:
    """The class of a reason."""
    return next((name for name, pattern in _CLASSES if pattern.match(reason)), _OTHER)


def skip_digest(document: SweepDocument) -> list[tuple[str, str]]:
    """(who and in how many cells, why): one entry a class; the reason itself where a class has one only."""
    names = short(document)
    return digest((names.get(skip.kernel, skip.kernel), skip.reason, skip.cells) for skip in document.skips)


def digest(skips: Iterable[tuple[str, str, int]]) -> list[tuple[str, str]]:
    """The same of (kernel's name, reason, cells)."""
    reasons: dict[str, dict[str, None]] = {}
    counted: dict[str, Counter[str]] = {}
    for name, reason, cells in skips:
        which = class_of(reason)
        reasons.setdefault(which, {})[reason] = None
        counted.setdefault(which, Counter())[name] += cells
    found = []
    for which, each in counted.items():
        only = next(iter(reasons[which]))
        found.append((in_cells(each), which if len(reasons[which]) > 1 else twin_words(only) or only))
    return found


def grouped_skips(skips: Iterable[tuple[str, str, Sequence[str]]], cells: int) -> list[str]:
    """Of (kernel's name, reason, data type of each cell), one sentence a kernel, with the number of cells behind each reason.

    A twin with its epilogue apart says only what its kernel does not. `cells` is the number of all cells.
    """
    by_kernel: dict[str, dict[str, Sequence[str]]] = {}
    for name, reason, dtypes in skips:
        by_kernel.setdefault(name, {})[reason] = dtypes
    found, twins = [], Counter[str]()
    for name, reasons in by_kernel.items():
        whole = by_kernel.get(fused_of(name), {}) if is_unfused(name) else {}
        own = {reason: dtypes for reason, dtypes in reasons.items() if reason not in whole}
        twins[name] += sum(len(dtypes) for reason, dtypes in own.items() if twin_words(reason))
        said = _counted({reason: dtypes for reason, dtypes in own.items() if not twin_words(reason)}, cells)
        if said:
            found.append(f"{name}: {'; '.join(said)}")
    twins += Counter()  # without those of no cell
    return [*found, *([f"{in_cells(twins)}: {_CLASSES[0][0]}"] if twins else [])]


def _counted(reasons: dict[str, Sequence[str]], cells: int) -> list[str]:
    """Reasons with their numbers of cells, the most frequent first; data types that are not served by their names."""
    types, others = [], []
    for reason, dtypes in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        number = "all" if len(dtypes) == cells else str(len(dtypes))
        if len(set(dtypes)) == 1 and class_of(reason) == _NO_TYPE:
            types.append(f"{dtypes[0]} ({number})")
        else:
            others.append(f"{reason} ({number})")
    return [*others, *([f"no product of {', '.join(types)}"] if types else [])]


def could_be_here(absent: Sequence[Missing]) -> list[Missing]:
    """Those of the absent libraries that exist for this system."""
    return [missing for missing in absent if not missing.reason.startswith(_NOT_HERE)]


def absent_digest(absent: Sequence[Missing]) -> list[str]:
    """One sentence a reason; how to bring one is said where it is the only one. What cannot be here is left out."""
    reasons: dict[str, list[Missing]] = {}
    for missing in could_be_here(absent):
        reasons.setdefault(missing.reason or "not found", []).append(missing)
    found = []
    for reason, which in reasons.items():
        titles = ", ".join(m.title or m.library for m in which)
        found.append(f"{titles}: {absent_words(which[0]) if len(which) == 1 else f'{reason}; mmbench list vendors says how to bring them'}")
    return found
