"""Say in words what a sweep found: what the screen, the Markdown tables and the JUnit file all say alike.

Nothing here is made harmless for a terminal or a page: whoever shows it does that.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..configs.cases import Case, Status
from ..configs.kernel_names import fused_of, is_unfused
from ..configs.sweepdoc import SweepDocument, SweepKernel, SweepRow
from ..configs.sweeplog import Missing
from ..configs.units import duration_words, pretty, size_words
from ..kernels.measure.stats import half_width_share
from .cells import plural
from .numbers import figure, percent
from .sweep_rows import FAILED, CellRows, fused_gains
from .verdicts import grouped

_GIGA = 1e-9
WIDE = 0.25  # what stands behind ± of a time by which no kernel can be ranked
BADLY_KNOWN, HELPED = "?", "*"  # marks behind a time
_CLOCKS_APART = 0.03
# How `kernels.guards.findings` begins where others than the asked threads worked; a test holds the two together.
_HELPERS = re.compile(r"threads of its own used|it kept [\d.]+ CPUs busy|it runs \d+ process")


def case_words(case: Case) -> str:
    """What distinguishes a case from others of its data type: `128x768x768 +bias t2 cold`; one thread and hot caches go without saying."""
    return " ".join(filter(None, (case.shape, condition_words(case))))


def condition_words(case: Case) -> str:
    """The same without the shape."""
    words = []
    if (case.alpha, case.beta) != (1.0, 0.0):
        words.append(f"a={case.alpha:g},b={case.beta:g}")
    if case.epilogue:
        words.append(f"+{case.epilogue}")
    if case.threads != 1:
        words.append(f"t{case.threads}")
    if case.temperature != "hot":
        words.append(case.temperature)
    return " ".join(words)


def rate_unit(case: Case) -> str:
    """GOP/s where the result is an integer, or integers may be what is multiplied and the roof is theirs; GFLOP/s elsewhere."""
    return "GOP/s" if case.mix.integer or any(name.startswith("int") for name in case.mix.rates) else "GFLOP/s"


def time_words(row: SweepRow) -> str:
    """`1.23 ms`; empty without a time."""
    return pretty(row.time_s, "s") if row.timed else ""


def precision_words(row: SweepRow) -> str:
    """`±0.4 %`: the larger distance to an end of the interval, over the time; by the same figure sampling ends."""
    share = relative_width(row)
    return percent(share) if share is not None else ""


def relative_width(row: SweepRow) -> float | None:
    """That share; None without a time, or without an interval (of one or two samples)."""
    share = half_width_share(row.time_s, row.low_s, row.high_s) if row.timed else math.inf
    return share if math.isfinite(share) else None


def mark_words(row: SweepRow) -> str:
    """Marks of a time that is not to be ranked as it stands: `?` where it is badly known, `*` where others than asked threads helped."""
    wide = row.timed and _wider(row, WIDE)
    helped = row.timed and any(map(is_helped, row.warnings))
    return (BADLY_KNOWN if wide else "") + (HELPED if helped else "")


def _wider(row: SweepRow, share: float) -> bool:
    """Whether it is known less well than that, or nobody knows how well."""
    width = relative_width(row)
    return width is None or width > share


def marked(document: SweepDocument) -> list[tuple[str, str]]:
    """(mark, what it means and whom it concerns) for the marks that there are."""
    names = short(document)
    found = []
    for mark, meaning in (
        (BADLY_KNOWN, f"it is not known to ±{100 * WIDE:.0f} %, so rank and ratio say little"),
        (HELPED, "threads or processes of its own helped beyond those that were asked for, so it is no fair time for so many"),
    ):
        counted = Counter(names.get(row.kernel, row.kernel) for row in document.rows if mark in mark_words(row))
        if counted:
            found.append((mark, f"{meaning}: {in_cells(counted)}"))
    return found


def is_helped(warning: str) -> bool:
    """Whether a warning of a row says what the mark `*` says."""
    return bool(_HELPERS.match(warning))


def in_cells(counted: Counter[str]) -> str:
    """`naive in 7, mkl in 1 cell`, the most frequent first."""
    most = counted.most_common()
    return ", ".join(f"{name} in {count:,}" for name, count in most) + (" cell" if most[-1][1] == 1 else " cells")


def rate_words(row: SweepRow) -> str:
    """Billions of operations a second."""
    return figure(row.rate * _GIGA) if row.timed else ""


def share_words(share: float, above: bool = False) -> str:
    """`91 %` of the roof; `!` marks what is `above` it by more than both are uncertain. Empty where it is unknown."""
    if not math.isfinite(share):
        return ""
    shown = f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"
    return f"!{shown}" if above else shown


def ratio_words(row: SweepRow) -> str:
    """`1.08x` the time of the fastest."""
    return f"{figure(row.ratio) if row.ratio < 1000 else '1000+'}x" if row.timed else ""


def next_best(cell: CellRows, names: dict[str, str]) -> str:
    """The second fastest with its ratio, the fastest itself with its epilogue apart set aside; why there is none where nobody was right."""
    timed = cell.timed
    other = next((row for row in timed[1:] if fused_of(row.kernel) != fused_of(timed[0].kernel)), None)
    if other is not None:
        return f"{names.get(other.kernel, other.kernel)} {ratio_words(other)} {mark_words(other)}".rstrip()
    if timed:
        return "alone"
    return ", ".join(f"{count} {status}" for status, count in Counter(row.status.value for row in cell.rows).items())


def short(document: SweepDocument) -> dict[str, str]:
    """Kernel to the name to show."""
    return {kernel.kernel: kernel.name for kernel in document.kernels}


def compared(document: SweepDocument) -> list[SweepKernel]:
    """Kernels in falling order of the cells they serve; those with an epilogue in a pass of its own are no libraries of their own."""
    kernels = [k for k in document.kernels if not is_unfused(k.kernel)]
    return sorted(kernels, key=lambda k: (-k.served, -k.near, k.name))


def fragmentation(document: SweepDocument) -> str:
    """Of how many cells each kernel serves, and in how many it is within 5 % of the fastest."""
    if not document.cells:
        return "no cells"
    parts = []
    for i, k in enumerate(compared(document)):
        parts.append(f"{k.name} serves {k.served} (best or within 5 % in {k.near})" if i == 0 else f"{k.name} {k.served} ({k.near})")
    done = "" if document.measured == document.cells else f" ({document.measured} measured)"
    return f"of {plural(document.cells, 'cell')}{done}: {', '.join(parts) or 'no kernel took part'}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Cells in which a kernel failed in one way: the first with its words, and how many more."""

    status: Status
    kernel: str
    words: str
    first: SweepRow
    cells: int


_SHAPE = re.compile(r" at [\d*]\S*")  # of the product in which a worker died: each kind of death is told once


def failures(document: SweepDocument) -> list[Failure]:
    """WRONG first, then CRASHED and TIMEOUT; one entry for each kernel, data type and kind of failure."""
    groups: dict[tuple[Status, str, str, str], list[SweepRow]] = {}
    for row in document.rows:
        if row.status in FAILED:
            check = row.check
            kind = f"{check.failed}|{check.cause}" if check and not check.passed else _SHAPE.sub("", row.reason)
            groups.setdefault((row.status, row.kernel, row.case.dtype if row.status is Status.WRONG else "", kind), []).append(row)
    found = [Failure(status, kernel, failure_words(rows[0]), rows[0], len(rows)) for (status, kernel, _, _), rows in groups.items()]
    return sorted(found, key=lambda f: (FAILED.index(f.status), f.kernel, f.first.case.dtype))


def failure_words(row: SweepRow) -> str:
    """What went wrong: the part of the gate, the first differing element, the likely cause."""
    check = row.check
    if check is None or check.passed:
        return row.reason or "no reason was given"
    words = [f"{check.failed or 'the check'} failed"]
    if check.where:
        words.append(f"first at {check.where}")
    if check.cause:
        words.append(check.cause)  # which says itself whether it is a guess
    return "; ".join(words)


def fused_words(document: SweepDocument) -> str:
    """How fast each kernel is with its epilogue fused, against itself without; empty where none ran both ways."""
    names = short(document)
    gains = fused_gains(document)
    parts = []
    for g in gains:
        least, most = f"{figure(g.least)}x", f"{figure(g.most)}x"
        span = f" ({least} to {most})" if least != most else ""
        speed = f"{figure(g.gain)}x as fast" + (", so slower" if g.gain < 0.995 else "")
        parts.append(f"{names.get(g.kernel, g.kernel)} is {speed}{span} in {plural(g.cells, 'cell')}")
    if not parts:
        return ""
    small, large = size_words(min(g.least_bytes for g in gains)), size_words(max(g.most_bytes for g in gains))
    saved = large if small == large else f"{small} to {large}"
    return f"with the epilogue fused, against one in a pass of its own, {'; '.join(parts)}; a call moves {saved} less"


def kernel_words(kernel: SweepKernel) -> str:
    """`OpenBLAS 0.3.29, core SkylakeX, pthreads, 35 MiB on disk`."""
    parts = [" ".join(filter(None, (kernel.title or kernel.name, kernel.library_version)))]
    if kernel.kind == "own":
        parts = [f"{kernel.title or 'our own'}, version {kernel.version}"]
    parts += [f"core {kernel.core}"] if kernel.core else []
    parts += [kernel.threading] if kernel.threading else []
    parts += [f"{size_words(kernel.size_bytes)} on disk"] if kernel.size_bytes > 0 else []
    parts += ["timed from Python"] if kernel.kind == "framework" else []
    return ", ".join(parts)


def proof_words(document: SweepDocument, kernel: str) -> str:
    """`code 0a1b2c3d4e5f6071, the same bits in two runs in 9 of 9 cells`; of several codes the first, and how many there are."""
    rows = [row for row in document.rows if row.kernel == kernel and row.timed]
    codes = list(dict.fromkeys(row.code_sha for row in rows if row.code_sha))
    parts = [f"code {codes[0]}" + (f" and {len(codes) - 1} more" if len(codes) > 1 else "")] if codes else []
    checks = [row.check for row in rows if row.check]
    for words, answers in (
        ("two runs", [c.bitwise for c in checks if c.bitwise]),
        ("one thread and in several", [c.threads_bitwise for c in checks if c.threads_bitwise]),
    ):
        if answers:
            parts.append(f"the same bits in {words} in {answers.count('yes')} of {plural(len(answers), 'cell')}")
    return ", ".join(parts)


def bits_words(row: SweepRow) -> str:
    """`same` or `differ`, of two runs; `same, not t1` where one thread gives other bits than the case's several. Empty: not tried."""
    if row.check is None or not row.check.passed:
        return ""
    parts = [{"yes": "same", "no": "differ"}.get(row.check.bitwise, ""), "not t1" if row.check.threads_bitwise == "no" else ""]
    return ", ".join(filter(None, parts))


def code_words(row: SweepRow) -> str:
    """The first eight digits of the machine code's hash."""
    return row.code_sha[:8]


def disturbed_words(document: SweepDocument) -> str:
    """`12 of 3,400 samples disturbed and left out: 9 steal, 3 switched`; empty where nothing was disturbed."""
    if not document.disturbed:
        return ""
    which = ", ".join(f"{count:,} {word}" for word, count in sorted(document.disturbed.items(), key=lambda p: (-p[1], p[0])))
    words = f"{document.dropped:,} of {document.samples + document.dropped:,} samples disturbed and left out"
    rows = [row for row in document.rows if row.unclean]
    if rows:
        each = "1 row that has" if len(rows) == 1 else f"{len(rows):,} rows that have"
        words += f", {sum(row.unclean for row in rows):,} more kept in {each} too few others"
    return f"{words}: {which}"


def absent_words(missing: Missing) -> str:
    """Why a library is not here, and the command that brings it."""
    return f"{missing.reason or 'not found'}" + (f"; to bring it: {missing.bring}" if missing.bring else "")


def warnings(document: SweepDocument) -> list[tuple[str, str]]:
    """(subjects, sentence) for what a reader must know: overrides, what libraries and rows warn of, rates above the roof, noise, notes."""
    names = short(document)
    found: list[tuple[str, str]] = []
    readers: dict[str, list[str]] = {}
    for kernel in document.kernels:
        found += [(kernel.name, each) for each in kernel.warnings]
        if kernel.problem:
            found.append((kernel.name, f"could not be opened: {kernel.problem}"))
        for each in kernel.overrides:
            if not any(each in told for told in kernel.warnings):
                readers.setdefault(each, []).append(kernel.name)
    found += [(each, f"set in the environment, read by {', '.join(who)}") for each, who in readers.items()]
    found += _told_by_rows(document, names)
    return [*grouped(found), *_row_warnings(document, names), *(("", note) for note in document.notes)]


_FIGURE = re.compile(r"\d+(?:\.\d+)?")


def _told_by_rows(document: SweepDocument, names: dict[str, str]) -> list[tuple[str, str]]:
    """What rows warn of, those of a kernel that differ in their figures once: with the largest figure, and how many cells tell it."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in document.rows:
        for text in row.warnings:
            alike.setdefault((names.get(row.kernel, row.kernel), _FIGURE.sub("#", text)), []).append(text)
    found = []
    for (name, _), texts in alike.items():
        most = max(texts, key=lambda text: float((_FIGURE.search(text) or ["0"])[0]))
        which = "" if len(texts) == 1 else f" ({len(texts)} cells)" if len(set(texts)) == 1 else f" (the most of {len(texts)} cells)"
        found.append((name, most + which))
    return found


def _row_warnings(document: SweepDocument, names: dict[str, str]) -> Iterable[tuple[str, str]]:
    above = [row for row in document.rows if row.above_roof]
    if above:
        worst = max(above, key=lambda r: r.roof_share)
        rows = "1 row is above its" if len(above) == 1 else f"{len(above)} rows are above their"
        words = f"{rows} roof, most of all {names.get(worst.kernel, worst.kernel)} in {worst.cell}"
        yield (
            "",
            f"{words} ({share_words(worst.roof_share)}): an error of roof, clock or level, not a win; see mmbench explain roof-share",
        )
    noisy = Counter(names.get(row.kernel, row.kernel) for row in document.rows if _noisy(row, document.precision))
    if noisy:
        asked = f"±{100 * document.precision:.3g} %"
        yield "", f"not known to {asked}, as was asked: {in_cells(noisy)}; the intervals say how well each is known"
    loose = Counter(names.get(row.kernel, row.kernel) for row in document.rows if row.timed and row.check and row.check.bitwise == "no")
    if loose:
        yield "", f"two runs gave different bits: {in_cells(loose)}"
    yield from _clock_warnings(document)


def _noisy(row: SweepRow, precision: float) -> bool:
    """Whether its ± is wider than was asked for: by what is shown, so that no screen contradicts itself."""
    return row.status is Status.NOISY or (precision > 0 and row.timed and _wider(row, precision))


def _clock_warnings(document: SweepDocument) -> Iterable[tuple[str, str]]:
    """A share of the roof is taken at the row's own clock, a ratio is of bare times: where clocks differ, the two contradict each other."""
    clocks: dict[str, list[SweepRow]] = {}
    for row in document.rows:
        if row.clock_hz > 0 and math.isfinite(row.roof_share):
            clocks.setdefault(row.case_id, []).append(row)
    apart = {}
    for rows in clocks.values():
        share = max(r.clock_hz for r in rows) / min(r.clock_hz for r in rows) - 1
        if share > _CLOCKS_APART:
            apart[rows[0].cell] = share
    if apart:
        worst = max(apart, key=lambda cell: apart[cell])
        where = f"{worst} ({100 * apart[worst]:.0f} %)"
        where = f"{len(apart)} cells, most in {where}" if len(apart) > 1 else where
        words = f"the clock of kernels differed by more than {100 * _CLOCKS_APART:.0f} % in {where}"
        yield "", f"{words}: shares of the roof are taken at each row's own clock, ratios are of times, so the two do not agree there"


def skip_words(document: SweepDocument) -> list[tuple[str, str]]:
    """(kernels, reason) with the number of cells, for what was not asked or declined."""
    names = short(document)
    reasons: dict[str, list[str]] = {}
    for skip in document.skips:
        reasons.setdefault(skip.reason, []).append(f"{names.get(skip.kernel, skip.kernel)} in {skip.cells}")
    return [(", ".join(who), twin_words(reason) or reason) for reason, who in reasons.items()]


_TWIN = re.compile(r"without an epilogue it is `?([\w.@-]+?)`?$")


def twin_words(reason: str) -> str:
    """The reason of a kernel with its epilogue in a pass of its own, for cells that have none; empty for another reason."""
    found = _TWIN.match(reason)
    return f"the same as {found[1]} where there is no epilogue" if found else ""


def end_words(document: SweepDocument) -> str:
    """How long it took and where the time went: `48 s: 83 % sampling, 8 % proving`."""
    if not math.isfinite(document.wall_s) or document.wall_s <= 0:
        return ""
    parts = sorted(document.parts_s.items(), key=lambda p: -p[1])
    shares = [f"{100 * time_s / document.wall_s:.0f} % {name}" for name, time_s in parts if time_s >= 0.005 * document.wall_s]
    return f"{duration_words(document.wall_s)}: {', '.join(shares)}" if shares else duration_words(document.wall_s)


def unfinished_words(document: SweepDocument) -> str:
    """Empty for a finished sweep, else why it ended and how to go on."""
    if document.finished:
        return ""
    reason = document.end_reason or "no reason was given"
    return f"not finished: {reason}; go on with: mmbench sweep --resume {document.run_id}"
