"""Write a sweep for the tools of others: google-benchmark's JSON and pyperf's, every undisturbed sample as a repetition.

Google-benchmark: one entry an iteration run, `real_time` in nanoseconds a call, and `items_per_second` in operations; what it calls CPU time
is not measured here and repeats the real time, as the context says. Pyperf: one benchmark a row, its samples as the values of one run,
since one process took them all; pyperf's own statistics then know nothing of the spread between launches.
Sources: google-benchmark, docs/user_guide.md, "Output Formats"; pyperf, doc/api.rst, "BenchmarkSuite.dump".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..configs.cases import Measurement
from ..configs.sweeplog import Sweep
from .sweep_rows import each_s
from .text import clean

_GBENCH_SCHEMA = 1
_NAME = 300


def _timed(sweep: Sweep) -> Iterator[tuple[str, Measurement, list[float]]]:
    """(name, row, seconds a call) of every row that was right and has times; names are unique, as both formats ask for."""
    rows = {(row.case, row.variant.kernel): row for row in sweep.rows if row.status.value in ("ok", "noisy")}
    for row in rows.values():
        times, _ = each_s(row.samples)
        times = [t for t in times if t > 0]
        if times:
            yield clean(f"{row.variant.kernel}/{row.case.name.replace(' ', '/')}", _NAME), row, times


def gbench(sweep: Sweep) -> str:
    """The sweep as google-benchmark writes its results."""
    benchmarks: list[dict[str, Any]] = []
    for number, (name, row, times) in enumerate(_timed(sweep)):
        for index, time_s in enumerate(times):
            benchmarks.append(
                {
                    "name": name,
                    "family_index": number,
                    "per_family_instance_index": 0,
                    "run_name": name,
                    "run_type": "iteration",
                    "repetitions": len(times),
                    "repetition_index": index,
                    "threads": row.case.threads,
                    "iterations": row.samples.calls[0] if row.samples.calls else 1,
                    "real_time": time_s * 1e9,
                    "cpu_time": time_s * 1e9,
                    "time_unit": "ns",
                    "items_per_second": row.case.operations / time_s,
                    "bytes_per_second": row.case.traffic_bytes() / time_s,
                }
            )
    context = {
        "date": sweep.run.started_at,
        "host_name": sweep.run.machine_id,
        "executable": "mmbench sweep",
        "num_cpus": max((cell.case.threads for cell in sweep.plan.cells), default=1),
        "mhz_per_cpu": 0,
        "cpu_scaling_enabled": False,
        "caches": [],
        "load_avg": [],
        "library_build_type": "release",
        "json_schema_version": _GBENCH_SCHEMA,
        "mmbench_run": sweep.run.id,
        "mmbench_note": "cpu_time was not measured and repeats real_time",
    }
    return json.dumps({"context": context, "benchmarks": benchmarks}, ensure_ascii=False, indent=1) + "\n"


def pyperf(sweep: Sweep) -> str:
    """The sweep as a pyperf benchmark suite, format 1.0."""
    benchmarks = []
    for name, row, times in _timed(sweep):
        metadata = {
            "name": name,
            "unit": "second",
            "loops": row.samples.calls[0] if row.samples.calls else 1,
            "mmbench_kernel": clean(row.variant.kernel, _NAME),
            "mmbench_kernel_version": clean(row.variant.version, _NAME),
            "mmbench_case": row.case.name,
            "mmbench_timed_by": row.samples.timed_by,
        }
        benchmarks.append({"metadata": metadata, "runs": [{"values": times}]})
    if not benchmarks:
        return ""
    shared = {"hostname": sweep.run.machine_id, "mmbench_run": sweep.run.id, "mmbench_started_at": sweep.run.started_at}
    return json.dumps({"version": "1.0", "metadata": shared, "benchmarks": benchmarks}, ensure_ascii=False, indent=1) + "\n"
