"""Use another environment's packages as a side of the gate: find its interpreter, say what it lacks, ask a worker there what it has.

The worker runs this mmbench's own code (`serve`) in that interpreter, isolated from this one's PYTHONPATH and from the user's packages, so
that an environment is what is installed in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...configs.codec import decode
from ...configs.errors import NotPossibleError, UsageError
from ...configs.gateplan import Side
from ...configs.plan import Entrant
from ..measure.worker import Worker, WorkerError
from ..vendor.discovery import package_version
from ..vendor.stated import version_key

LEAST_PYTHON = (3, 11)  # as pyproject.toml has it
# Distributions that a worker imports, and the least version that mmbench works with (as pyproject.toml has them).
NEEDED = {"numpy": "1.26", "llvmlite": "0.45", "ml-dtypes": "0.5"}
NUMBA = {"numba": "0.62"}
WITH_NUMBA = ("naive", "blocked")  # the kernels that import it, when they are built
_SERVE = Path(__file__).with_name("serve.py")
_ASK_S = 120.0  # a first start compiles Python's own files, on a disk that may be cold
# Old Pythons run this, too.
_INSPECT = """
import json, sys
said = {"version": list(sys.version_info[:3]), "packages": {}}
if sys.version_info >= (3, 8):
    from importlib.metadata import PackageNotFoundError, version
    for name in sys.argv[1:]:
        try:
            said["packages"][name] = version(name) or ""
        except PackageNotFoundError:
            pass
print(json.dumps(said))
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a side's interpreter has: every kernel and copy, those that the words chose there, and versions of packages."""

    entrants: tuple[Entrant, ...]
    chosen: tuple[Entrant, ...]
    packages: dict[str, str]


def needed_by(entrants: Iterable[Entrant]) -> dict[str, str]:
    """Distributions that workers for these kernels import, and the least version of each."""
    return {**NEEDED, **NUMBA} if any(entrant.kernel in WITH_NUMBA for entrant in entrants) else dict(NEEDED)


def worker_command(side: Side) -> list[str]:
    """The command of a worker of this side: the same file for both, in each side's own interpreter."""
    if side.python:
        return [side.python, "-I", str(_SERVE)]
    return [sys.executable, "-P", str(_SERVE)]


def interpreter_in(place: Path) -> Path:
    """The Python of an environment; NotPossibleError where the folder has none."""
    for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        if (place / name).is_file():
            return place / name
    if any((place / name).is_symlink() for name in ("bin/python", "bin/python3")):
        raise NotPossibleError(f"the Python of {place} is a link to nothing: the one that it was made with is gone", "make it anew")
    raise NotPossibleError(f"{place} is no Python environment: it has no bin/python", "name the folder that `python -m venv` made")


def environment_side(word: str, kind: str, place: Path) -> Side:
    """A side for the environment in this folder, its packages not asked for yet."""
    where = place.absolute()
    return Side(word, kind, str(interpreter_in(where)), str(where))


def check_environment(side: Side, entrants: Sequence[Entrant]) -> None:
    """NotPossibleError, with the command that mends it, where a worker for these kernels cannot run in the environment.

    What only some of the kernels need may be lacking: those are then not there.
    """
    said = inspected(side, (*NEEDED, *NUMBA, "pip"))
    found = tuple(said["version"])
    if found < LEAST_PYTHON:
        shown, least = ".".join(map(str, found)), ".".join(map(str, LEAST_PYTHON))
        raise NotPossibleError(f"{side.place} has Python {shown}, and mmbench's workers need {least}", "make it anew with a newer Python")
    all_need_numba = bool(entrants) and all(entrant.kernel in WITH_NUMBA for entrant in entrants)
    least_of = {**NEEDED, **NUMBA} if all_need_numba else NEEDED
    versions = said["packages"]
    lacking = [name for name in least_of if name not in versions]
    old = [name for name, least in least_of.items() if name in versions and version_key(versions[name]) < version_key(least)]
    if not lacking and not old:
        return
    parts = [f"lacks {_listed(lacking)}"] if lacking else []
    parts += [f"has {name} {versions[name]}, and {least_of[name]} is the least" for name in old]
    installer = f"{side.python} -m pip install" if "pip" in versions else f"uv pip install --python {side.python}"
    wanted = " ".join(pinned(name, least_of[name]) for name in (*lacking, *old))
    raise NotPossibleError(f"{side.place} {'; '.join(parts)}: a worker needs that", f"install it there: {installer} {wanted}")


def pinned(name: str, least: str) -> str:
    """A requirement for this side's own version of a distribution, or for the least that will do where it is not installed here."""
    version = package_version(name)
    return f"{name}=={version}" if version else f"{name}>={least}"


def inspected(side: Side, names: Iterable[str]) -> dict[str, Any]:
    """{version, packages} of a side's interpreter: asked of the interpreter alone, which may be too old for mmbench or lack its needs."""
    command = [side.python, "-I", "-c", _INSPECT, *names]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except OSError as error:
        raise NotPossibleError(f"{side.python} cannot be run: {error.strerror or error}", "is it for this system?") from None
    except subprocess.TimeoutExpired:
        raise NotPossibleError(f"{side.python} gave no answer within {_ASK_S:.0f} s", "try to start it by hand") from None
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        words = (done.stderr or done.stdout).strip().splitlines()
        why = words[-1] if words else f"it ended with exit code {done.returncode}"
        raise NotPossibleError(f"{side.python} does not work: {why}", "try to start it by hand") from None
    return said


def contents_of(side: Side, wanted: tuple[str, ...] = ()) -> Contents:
    """What is there, from a worker in that interpreter. `wanted`: the words that chose kernels here, asked of that side, too."""
    try:
        with Worker(worker_command(side)) as worker:
            said = worker.call("mmbench.kernels.gate.remote:describe", {"wanted": list(wanted)}, _ASK_S)
    except WorkerError as error:
        raise NotPossibleError(f"no worker can serve in {side.place or 'this environment'}: {error.message}", error.hint) from None
    entrants = tuple(decode(Entrant, each) for each in said["entrants"])
    chosen = tuple(decode(Entrant, each) for each in said["chosen"])
    packages: dict[str, str] = said["packages"]
    if version_key(packages.get("numba", "")) < version_key(NUMBA["numba"]):  # too old, or none
        entrants, chosen = (tuple(e for e in found if e.kernel not in WITH_NUMBA) for found in (entrants, chosen))
    return Contents(entrants, chosen, packages)


def with_packages(side: Side, contents: Contents) -> Side:
    """The side with the versions that its worker told."""
    return replace(side, packages=contents.packages)


def check_unchanged(side: Side) -> None:
    """Refuse to go on with an environment whose packages are others now (or which is gone): a resumed gate would mix two baselines."""
    interpreter_in(Path(side.place))
    now = inspected(side, side.packages)["packages"]
    changed = [f"{name} {then}, now {now.get(name) or 'none'}" for name, then in side.packages.items() if now.get(name) != then]
    if changed:
        raise UsageError(f"{side.place} has changed since: {'; '.join(changed)}", "start a new gate")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
