"""Examine what a measurement here would stand on: the trials of a child process, memory, folders, settings, conditions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..configs.errors import StoreError
from ..configs.files import check_writable
from ..configs.settings import Settings, unknown_variables
from ..configs.units import size_words

LEAST_BYTES = 64 * 1024 * 1024  # below: not even the caches of a small chip can be left behind
GOOD_BYTES = 512 * 1024 * 1024  # a default probe uses buffers of about this size
TRIAL_LIMIT_S = 60.0


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor: what was looked at, how it stands, in words, and what to do."""

    name: str
    state: State
    words: str
    hint: str = ""


def trials(limit_s: float = TRIAL_LIMIT_S) -> list[Check]:
    """The checks of `trial`, run in a child that may be killed by what it tries."""
    command = [sys.executable, "-P", "-m", "mmbench.cli.trial"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)
        output, code, last = done.stdout, done.returncode, done.stderr.strip().splitlines()[-1:]
    except subprocess.TimeoutExpired as error:
        output, code, last = _text(error.stdout), None, []
    except OSError as error:
        return [
            Check("code", State.FAIL, f"no process can be started: {error.strerror}", "look at the process limit (ulimit -u, pids.max)")
        ]
    return read_trials(output, code, last)


def read_trials(output: str, code: int | None, last: list[str]) -> list[Check]:
    """The child's lines as checks, and how the child ended where it did not end well (`code` None: it hung)."""
    found = []
    for line in output.splitlines():
        try:
            name, state, words, hint = json.loads(line)
            found.append(Check(name, State(state), words, hint))
        except ValueError:  # something else that a library printed
            continue
    if code != 0:
        from .trial import TRIALS

        broken = next((name for name in TRIALS if name not in {check.name for check in found}), "trials")
        found.append(Check(broken, State.FAIL, _ending(code, last), "measurements here will lose the probes that need this"))
    return found


def _ending(code: int | None, last: list[str]) -> str:
    if code is None:
        return "the trial hung and was ended"
    if code < 0:
        return (
            f"the trial was killed by {signal.Signals(-code).name}"
            if -code in signal.valid_signals()
            else f"the trial was killed ({-code})"
        )
    return f"the trial failed: {last[0]}" if last else f"the trial failed with exit code {code}"


def _text(output: bytes | str | None) -> str:
    return output.decode("utf-8", errors="replace") if isinstance(output, bytes) else output or ""


def memory(root: Path = Path("/")) -> Check:
    """How much may be allocated, and which limit says so."""
    from ..kernels.measure.conditions import memory_budget_bytes

    room, source = memory_budget_bytes(root)
    words = f"{size_words(room)} may be used ({source})"
    if room < LEAST_BYTES:
        return Check("memory", State.FAIL, words, "free memory or raise the limit: memory itself cannot be measured with so little")
    if room < GOOD_BYTES:
        return Check("memory", State.WARN, words, "large caches and memory are measured with small buffers, or not at all")
    return Check("memory", State.OK, words)


def results_folder(results: Path) -> Check:
    """Whether a result could be stored; a folder made for the trial is removed again."""
    existed = results.exists()
    try:
        check_writable(results)
    except StoreError as error:
        return Check("results", State.FAIL, error.message, error.hint)
    if not existed:
        results.rmdir()
    return Check("results", State.OK, f"can be stored in {results}")


def cache_folder(cache: Path) -> Check:
    """Whether compiled code can be kept."""
    try:
        check_writable(cache)
    except StoreError as error:
        return Check(
            "cache", State.WARN, error.message, "code is compiled again by each process: set MMBENCH_CACHE to a folder that can be written"
        )
    return Check("cache", State.OK, f"compiled code is kept in {cache}")


def variables() -> list[Check]:
    """MMBENCH_ variables that set nothing."""
    return [
        Check("settings", State.WARN, f"${name} sets nothing", f"did you mean ${near}?" if near else "see mmbench config show --origin")
        for name, near in unknown_variables().items()
    ]


def conditions(root: Path = Path("/")) -> list[Check]:
    """What the state of the system takes away from trust: limits, power settings, neighbours, overrides."""
    from ..configs.machine import Conditions
    from ..kernels.measure.conditions import read_conditions, read_overrides
    from ..probes.conditions import diagnose

    found = Conditions(read_conditions(root), {}, read_overrides(os.environ))
    notices = diagnose(found, None)
    checks = []
    for notice in notices:
        hint = notice.hint + (f"; see mmbench explain {notice.topic}" if notice.topic else "")
        checks.append(Check("conditions", State.WARN, f"{notice.what}: {notice.why}" if notice.why else notice.what, hint))
    return checks or [Check("conditions", State.OK, "nothing that hurts a measurement was found")]


def everything(settings: Settings) -> list[Check]:
    """All checks; those that look at load come first, before the trials make some."""
    looked = conditions()
    folders = [memory(), results_folder(settings.results), cache_folder(settings.cache)]
    return [*trials(), *folders, *variables(), *looked]
