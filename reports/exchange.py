"""Write a sweep for the tools of others: google-benchmark's JSON and pyperf's, every undisturbed sample as a repetition.

Google-benchmark: one entry an iteration run, `real_time` in nanoseconds a call, and `items_per_second` in operations; then mean, median,
standard deviation and its share of the mean over the repetitions, as its own reporter writes them. What it calls CPU time is not measured
here and repeats the real time, as the context says; caches are as the system claims them, by the machine file. Pyperf: one benchmark a row,
its samples as the values of one run, since one process took them all; pyperf's own statistics then know nothing of the spread between
launches.
Sources: google-benchmark, docs/user_guide.md, "Output Formats"; pyperf, doc/api.rst, "BenchmarkSuite.dump".
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..configs.cases import Case, Measurement
from ..configs.machine import Machine
from ..configs.runs import Run
from ..configs.sweeplog import Sweep
from .sweep_rows import each_s
from .text import clean

_GBENCH_SCHEMA = 1
NAME = 300
LEAST_S, MOST_S = 1e-30, 1e30  # of a call: beyond, a rate or a mean is no number that JSON holds
_MHZ_NOTE = "mhz_per_cpu is the median of the clocks beside the samples"


def _timed(sweep: Sweep) -> Iterator[tuple[str, Measurement, list[float]]]:
    """(name, row, seconds a call) of every row that was right and has times; names are unique, as both formats ask for."""
    rows = {(row.case, row.variant.kernel): row for row in sweep.rows if row.status.value in ("ok", "noisy")}
    for row in rows.values():
        times, _ = each_s(row.samples)
        times = [t for t in times if LEAST_S < t < MOST_S]
        if times:
            yield clean(f"{row.variant.kernel}/{row.case.name.replace(' ', '/')}", NAME), row, times


def gbench(sweep: Sweep, machine: Machine | None = None) -> str:
    """The sweep as google-benchmark writes its results; `machine` is what is known of where it ran."""
    benchmarks: list[dict[str, Any]] = []
    clocks: list[float] = []
    for number, (name, row, times) in enumerate(_timed(sweep)):
        clocks += [hz for hz in row.samples.clock_hz if 0 < hz < math.inf]
        iterations = row.samples.calls[0] if row.samples.calls else 1
        benchmarks += gbench_entries(number, name, row.case, times, iterations)
    mhz = round(statistics.median(clocks) * 1e-6) if clocks else 0
    threads = max((cell.case.threads for cell in sweep.plan.cells), default=1)
    return gbench_text(sweep.run, "mmbench sweep", machine, benchmarks, threads=threads, mhz=mhz, note=_MHZ_NOTE)


def gbench_entries(number: int, name: str, case: Case, times: Sequence[float], iterations: int) -> list[dict[str, Any]]:
    """The entries of one benchmark, the `number`th of its file: one for each of `times` (seconds a call), and the aggregates."""
    shared = {"family_index": number, "per_family_instance_index": 0, "run_name": name, "repetitions": len(times), "threads": case.threads}
    rates = [(case.operations / time_s, case.traffic_bytes() / time_s) for time_s in times]
    entries = []
    for index, (time_s, (items, moved)) in enumerate(zip(times, rates, strict=True)):
        figures = _figures(time_s * 1e9, items, moved) | {"iterations": iterations}
        entries.append({"name": name, **shared, "run_type": "iteration", "repetition_index": index, **figures})
    for word, unit, statistic in _AGGREGATES if len(times) > 1 else ():
        ns = statistic([time_s * (1e9 if unit == "time" else 1) for time_s in times])
        figures = _figures(ns, *(statistic(each) for each in zip(*rates, strict=True))) | {"iterations": len(times)}
        about = {"run_type": "aggregate", "aggregate_name": word, "aggregate_unit": unit}
        entries.append({"name": f"{name}_{word}", **shared, **about, **figures})
    return entries


def gbench_text(
    run: Run, command: str, machine: Machine | None, benchmarks: list[dict[str, Any]], *, threads: int = 1, mhz: int = 0, note: str = ""
) -> str:
    """The whole file: where, when and by what, then the entries. `threads` stands for the CPUs of a machine that nobody knows."""
    context = {
        "date": run.started_at,
        "host_name": run.machine_id,
        "executable": command,
        "num_cpus": _cpus(machine) or threads,
        "mhz_per_cpu": mhz,
        "cpu_scaling_enabled": False,
        "caches": _caches(machine),
        "load_avg": [],
        "library_build_type": "release",
        "json_schema_version": _GBENCH_SCHEMA,
        "mmbench_run": run.id,
        "mmbench_note": f"cpu_time was not measured and repeats real_time; {note}",
    }
    return json.dumps({"context": context, "benchmarks": benchmarks}, ensure_ascii=False, indent=1) + "\n"


def _figures(time_ns: float, items: float, moved: float) -> dict[str, Any]:
    """What an entry says of time: both times are the real one."""
    times = {"real_time": time_ns, "cpu_time": time_ns, "time_unit": "ns"}
    return times | {"items_per_second": items, "bytes_per_second": moved}


def _variation(values: Sequence[float]) -> float:
    """Standard deviation over the mean; 0 of values that are all 0, as rates of empty products are."""
    mean = statistics.fmean(values)
    return statistics.stdev(values) / mean if mean else 0.0


# What google-benchmark's reporters add over repetitions: name, unit, and how it comes about.
_AGGREGATES: tuple[tuple[str, str, Callable[[Sequence[float]], float]], ...] = (
    ("mean", "time", statistics.fmean),
    ("median", "time", statistics.median),
    ("stddev", "time", statistics.stdev),
    ("cv", "percentage", _variation),
)
_CACHE_WORDS = {"data": "Data", "instruction": "Instruction", "unified": "Unified"}


def _cpus(machine: Machine | None) -> int:
    """Logical CPUs; 0 where nobody knows."""
    return int(machine.topology.threads.value or 0) if machine is not None and machine.topology is not None else 0


def _caches(machine: Machine | None) -> list[dict[str, Any]]:
    """Each cache once, as the first source that has it claims it: the system's files where there are such."""
    claims = sorted(machine.cache_claims, key=lambda claim: claim.source != "sysfs") if machine is not None else []
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for claim in claims:
        if claim.kind in _CACHE_WORDS and 0 < claim.size_bytes < 2**60:
            cache = {"type": _CACHE_WORDS[claim.kind], "level": claim.level, "size": claim.size_bytes, "num_sharing": claim.shared_by}
            found.setdefault((claim.level, claim.kind), cache)
    return [found[key] for key in sorted(found)]


def pyperf(sweep: Sweep) -> str:
    """The sweep as a pyperf benchmark suite, format 1.0."""
    benchmarks = []
    for name, row, times in _timed(sweep):
        metadata = {
            "name": name,
            "unit": "second",
            "loops": row.samples.calls[0] if row.samples.calls else 1,
            "mmbench_kernel": clean(row.variant.kernel, NAME),
            "mmbench_kernel_version": clean(row.variant.version, NAME),
            "mmbench_case": row.case.name,
            "mmbench_timed_by": row.samples.timed_by,
        }
        benchmarks.append({"metadata": metadata, "runs": [{"values": times}]})
    return pyperf_text(sweep.run, benchmarks)


def pyperf_text(run: Run, benchmarks: Sequence[dict[str, Any]]) -> str:
    """The whole suite; empty where there is no benchmark, for which the format has no word."""
    if not benchmarks:
        return ""
    shared = {"hostname": run.machine_id, "mmbench_run": run.id, "mmbench_started_at": run.started_at}
    return json.dumps({"version": "1.0", "metadata": shared, "benchmarks": benchmarks}, ensure_ascii=False, indent=1) + "\n"
