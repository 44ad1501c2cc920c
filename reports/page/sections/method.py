"""How it was measured, under which conditions, with which words, what was skipped, and the raw data."""

from __future__ import annotations

import gzip
from dataclasses import replace

from ....configs.machine import Machine
from ....configs.store import machine_text
from ....configs.sweepdoc import SweepDocument
from ...csvtext import csv_text
from ...facts import machine_facts
from ...flat import COLUMNS, flat_rows
from ...sweep_words import end_words, unfinished_words, warnings
from ..blocks import Block, Code, Column, File, Heading, Points, Prose, Table, numbers, plain
from ..evidence import Evidence, Subject
from ..registry import section

_MOST_FILE = 400 << 10  # compressed: a page holds two machines and stays below 3 MB
_MOST_RUNS = 60
_MOST_SKIPPED = 60
_MOST_WARNINGS = 40


@section("method", "Method, conditions and raw data", after="cores")
def method(evidence: Evidence) -> list[Block]:
    """All that a reader needs to doubt or repeat what stands above."""
    blocks: list[Block] = [*_how(evidence), *_runs(evidence), *_conditions(evidence), *_warnings(evidence), *_skipped(evidence)]
    return [*blocks, *_files(evidence)] if evidence.subjects or evidence.skipped else []


def _how(evidence: Evidence) -> list[Block]:
    text = (
        "Everything timed is machine code behind one C function pointer, in a process of its own that is pinned; frameworks that only "
        "Python can call are timed from there and say so. No time is kept for a result that was not proven right in that process. "
        "The kernels of a cell take turns of milliseconds, so that all see the same moments of the machine; the clock of the core is "
        "measured beside each sample. A time is a median with an interval of about 95 % over the undisturbed samples; a sample counts "
        "as disturbed when the system says so (steal, run delay, switches, throttling), never for its value. Roofs are those measured "
        "on the same machine."
    )
    more = "`mmbench explain` has a page on each number, with its known flaws."
    return [Prose(text), Prose(more, "note")] if evidence.subjects else []


def _runs(evidence: Evidence) -> list[Block]:
    """Every sweep, and the words that made it."""
    found = [(subject, sweep) for subject in evidence.subjects for sweep in subject.sweeps]
    if not found:
        return []
    columns = (
        Column("Sweep"),
        Column("Machine"),
        Column("Started", right=True),
        Column("Preset"),
        *numbers("Cells", "Kernels"),
        Column("Took"),
    )
    rows = tuple(
        (
            plain(sweep.run_id, 24),
            subject.label,
            plain(sweep.started_at, 24),
            plain(sweep.preset or "–", 40),
            str(sweep.cells),
            str(len(sweep.kernels)),
            plain(unfinished_words(sweep), 120) or end_words(sweep),
        )
        for subject, sweep in found[:_MOST_RUNS]
    )
    note = f"{len(found) - _MOST_RUNS} older sweeps are in the files but not in this table." if len(found) > _MOST_RUNS else ""
    superseded = sum(subject.superseded for subject in evidence.subjects)
    if superseded:
        note += f" {superseded} rows were measured again later; the newest counts."
    words = list(dict.fromkeys(sweep_command(sweep) for _, sweep in found))[:8]
    return [Heading("Sweeps"), Table("What was run", columns, rows, note.strip()), Code("\n".join(words), "The commands that repeat it")]


# Settings of a run file that are words of the command line.
_OPTIONS = {
    "preset": "--preset",
    "shapes": "--shapes",
    "dtypes": "--dtypes",
    "kernels": "--kernels",
    "threads": "--threads",
    "layouts": "--layouts",
    "epilogues": "--epilogues",
    "temperature": "--temperature",
    "expression": "-k",
    "precision": "--precision",
    "check": "--check",
}


def sweep_command(sweep: SweepDocument) -> str:
    """The command line that a sweep's settings stand for."""
    words = ["mmbench sweep"]
    for name, option in _OPTIONS.items():
        value = sweep.settings.get(name)
        if value not in (None, "", False):
            words.append(f"{option} {_quoted(plain(value, 200))}")
    if sweep.time_budget_s > 0 and not sweep.preset:
        words.append(f"--time-budget {sweep.time_budget_s:g}s")
    return " ".join([*words, f"--seed {sweep.seed}"])


def _quoted(word: str) -> str:
    safe = word and all(c.isalnum() or c in "-_.,:+%@/=" for c in word)
    return word if safe else "'" + word.replace("'", "'\\''") + "'"


def _conditions(evidence: Evidence) -> list[Block]:
    """The conditions of each machine when it was probed."""
    names = list(dict.fromkeys(n for s in evidence.probed if s.machine for n in s.machine.conditions.before))
    if not names:
        return []
    columns = (Column("Condition"), *(Column(subject.label) for subject in evidence.probed))
    rows = tuple((plain(name.replace("_", " "), 40), *(_condition(s.machine, name) for s in evidence.probed)) for name in names)
    blocks: list[Block] = [Heading("Conditions"), Table("When each machine was probed", columns, rows, folded=True)]
    for read in (True, False):
        found = [
            (f"{plain(name, 60)}={plain(value, 60)}", _override_words(evidence, s, name))
            for s in evidence.probed
            if s.machine
            for name, value in s.machine.conditions.overrides.items()
            if bool(_readers(s, name)) is read
        ]
        title = "Overrides in the environment" + ("" if read else " that nobody here reads")
        blocks += [Points(tuple(found[:_MOST_WARNINGS]), title, "warn" if read else "note")] if found else []
    return blocks


def _readers(subject: Subject, name: str) -> list[str]:
    """The kernels of its sweeps that read this variable, by what each said when it was opened."""
    return [k.kernel for k in subject.kernels.values() if any(each.partition("=")[0] == name for each in k.overrides)]


def _override_words(evidence: Evidence, subject: Subject, name: str) -> str:
    who = list(dict.fromkeys(evidence.name(kernel) for kernel in _readers(subject, name)))
    if who:
        more = f" and {len(who) - 6} more" if len(who) > 6 else ""
        return f"was set on {subject.label} and is read by {', '.join(who[:6])}{more}: they may run other code than they would choose"
    return f"was set on {subject.label}; " + ("no library that took part reads it" if subject.kernels else "no library took part")


def _condition(machine: Machine | None, name: str) -> str:
    fact = machine.conditions.before.get(name) if machine else None
    if fact is None or fact.value is None:
        return "–"
    value = f"{fact.value:.4g}" if isinstance(fact.value, float) else plain(fact.value, 60)
    return f"{value} {plain(fact.unit, 12)}".strip()


def _warnings(evidence: Evidence) -> list[Block]:
    """What the sweeps and the probes warn of."""
    items: list[tuple[str, str]] = []
    for subject in evidence.subjects:
        place = f"{subject.label}: " if len(evidence.subjects) > 1 else ""
        if subject.sweeps:
            told = warnings(replace(subject.sweeps[0], rows=subject.rows))
            items += [(plain(place + who, 120), plain(words if place + who else _capital(words), 400)) for who, words in told]
        if subject.machine is not None:
            items += [
                (plain(place, 80), plain(_sentences(n.what if place else _capital(n.what), n.why, n.hint), 400))
                for n in subject.machine.notices
                if n.topic != "overrides"
            ]
            items += [(plain(f"{place}probe {name}", 80), plain(f"not run: {why}", 300)) for name, why in subject.machine.not_run.items()]
    if not items:
        return []
    shown = tuple(items[:_MOST_WARNINGS])
    more = f"{len(items) - len(shown)} more are in the raw data." if len(items) > len(shown) else ""
    return [Heading("Warnings"), Points(shown), *([Prose(more, "note")] if more else [])]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentences(*parts: str) -> str:
    """`What: why. What to do.`: each part begins in capitals behind a full stop, the second follows a colon."""
    what, *more = (part.strip() for part in parts)
    ended = [part if part[-1] in ".!?" else f"{part}." for part in more if part]
    return " ".join([f"{what}:" if ended else what, *ended[:1], *map(_capital, ended[1:])])


def _skipped(evidence: Evidence) -> list[Block]:
    if not evidence.skipped:
        return []
    items = tuple((plain(s.place, 160), plain(s.reason, 300)) for s in evidence.skipped[:_MOST_SKIPPED])
    more = len(evidence.skipped) - len(items)
    return [Heading("Skipped"), Points(items, kind="warn"), *([Prose(f"{more} more files were skipped.", "note")] if more > 0 else [])]


def _files(evidence: Evidence) -> list[Block]:
    """The raw data, compressed, inside the page."""
    files: list[File] = []
    if evidence.swept:
        rows = (flat for subject in evidence.swept for flat in flat_rows(plain(subject.id, 128), subject.rows))
        files.append(_packed("mmbench-rows.csv.gz", "Every row of every sweep (CSV)", csv_text(rows, COLUMNS)))
    for number, subject in enumerate(evidence.probed, start=1):
        files.append(_machine_file(subject, number))
    return [Heading("Raw data"), *files] if files else []


def _machine_file(subject: Subject, number: int) -> File:
    """The machine file with its samples; where that is too large for a page, its facts."""
    machine = subject.machine
    assert machine is not None
    whole = _packed(f"machine-{number}.json.gz", f"Machine file of {subject.label} with all samples (JSON)", machine_text(machine))
    if len(whole.content) <= _MOST_FILE:
        return whole
    names = ("value", "unit", "how", "by", "low", "high")
    facts = [{"path": path} | {name: getattr(fact, name) for name in names} for path, fact in machine_facts(machine)]
    text = csv_text(facts, ("path", *names))
    return _packed(f"machine-{number}-facts.csv.gz", f"Facts of {subject.label} (CSV; the samples are in its machine file)", text)


def _packed(name: str, title: str, text: str) -> File:
    content = gzip.compress(text.encode("utf-8", errors="backslashreplace"), compresslevel=9, mtime=0)
    return File(name, title, "application/gzip", content)
