"""Turn the words of `mmbench sweep` into a plan: lists, shares, presets and grids, who takes part, and whether a run may be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..configs.errors import UsageError
from ..configs.facts import Scalar
from ..configs.plan import SweepPlan
from ..configs.profiles import Profile, ad_hoc, load_profile
from ..configs.sweeplog import Missing, Sweep

if TYPE_CHECKING:
    from ..kernels.entrants import Absent


_OPEN_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. Empty and None mean: as the preset has it."""

    preset: str = "quick"
    shapes: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    threads: str = ""
    layouts: tuple[str, ...] = ()
    epilogues: tuple[str, ...] = ()
    temperature: str = ""
    expression: str = ""
    time_budget_s: float | None = None
    precision: float | None = None
    check: str = ""
    seed: int = 0
    given: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Scalar]:
        """As it is copied into the run; what was not given is left out."""
        values: dict[str, Scalar] = {
            "preset": self.preset,
            "shapes": ",".join(self.shapes),
            "dtypes": ",".join(self.dtypes),
            "kernels": ",".join(self.kernels),
            "threads": self.threads,
            "layouts": ",".join(self.layouts),
            "epilogues": ",".join(self.epilogues),
            "temperature": self.temperature,
            "expression": self.expression,
            "time_budget_s": self.time_budget_s or 0.0,
            "precision": self.precision or 0.0,
            "check": self.check,
            "library": ",".join(f"{name}={path}" for name, path in self.given.items()),
        }
        return {name: value for name, value in values.items() if value not in (0.0, "")}


def listed(texts: Iterable[str]) -> tuple[str, ...]:
    """Words of options that may be given more than once, with commas between words."""
    return tuple(dict.fromkeys(word.strip() for text in texts for word in text.split(",") if word.strip()))


def split_shapes(texts: Iterable[str]) -> tuple[str, ...]:
    """The same for shapes, in which commas within brackets and braces belong to a shape."""
    words = []
    for text in texts:
        depth, word = 0, ""
        for sign in text:
            depth += (sign in "[{") - (sign in "]}")
            if sign == "," and depth <= 0:
                words.append(word)
                word = ""
            else:
                word += sign
        words.append(word)
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def planned(request: Request) -> tuple[SweepPlan, tuple[Missing, ...]]:
    """The plan, and the libraries that would take part if they were here. UsageError for words that mean nothing; nothing is loaded."""
    from ..kernels.host import Host
    from ..kernels.measure.affinity import allowed_cpus
    from ..kernels.plan import find_entrants, make_plan

    profile = _profile(request)
    cpus = allowed_cpus()
    entrants, absent = find_entrants(
        request.kernels or profile.kernels, request.given, frameworks=profile.frameworks, every_copy=profile.every_copy
    )
    if not entrants:
        raise _nobody(absent)
    plan = make_plan(
        profile.cells(len(cpus)),
        entrants,
        host=Host.of(None, cpus),
        seed=request.seed,
        profile=profile,
        expression=request.expression,
        patient=bool(request.kernels),
    )
    return plan, tuple(Missing(a.name, a.title, a.reason, a.bring) for a in absent)


def _profile(request: Request) -> Profile:
    """The preset with what the command line says in place of its own; without a preset, the command line alone."""
    lists = {
        "shapes": request.shapes,
        "dtypes": request.dtypes,
        "layouts": request.layouts,
        "threads": (request.threads,) if request.threads else (),
        "temperatures": (request.temperature,) if request.temperature else (),
        "epilogues": request.epilogues,
    }
    profile = load_profile(request.preset).override(**lists) if request.preset else ad_hoc(**lists)
    if request.time_budget_s is not None:
        profile = replace(profile, time_budget_s=request.time_budget_s)
    return replace(profile, precision=request.precision or profile.precision, check=request.check or profile.check)


def _nobody(absent: Sequence[Absent]) -> UsageError:
    """Everything that was asked for is known, and nothing of it is here."""
    reasons = "; ".join(f"{a.title} is {a.reason}" if a.reason == "not installed" else f"{a.title}: {a.reason}" for a in absent)
    return UsageError(f"no kernel takes part: {reasons}", "; ".join(dict.fromkeys(a.bring for a in absent if a.bring)))


def check_given(plan: SweepPlan) -> None:
    """Open the libraries that were given by path; UsageError for one that cannot be used, before anything is timed.

    One that ends its process passes here: that is a finding, and costs its rows.
    """
    from ..configs.codec import encode
    from ..kernels.host import Host
    from ..kernels.measure.affinity import allowed_cpus
    from ..kernels.measure.worker import Worker, WorkerError

    host = encode(Host.of(None, allowed_cpus()))
    for entrant in {e.path: e for e in plan.entrants if e.kernel.endswith("@given")}.values():
        try:
            with Worker() as worker:
                worker.call("mmbench.kernels.session:open_kernel", {"entrant": encode(entrant), "host": host}, _OPEN_S)
        except WorkerError as error:
            if not error.died:
                raise UsageError(f"--library {entrant.library}: {error.message}", error.hint) from None


def check_same_kernels(found: Sweep) -> None:
    """Refuse to go on with a run whose kernels or libraries are others now: rows of two versions under one name would mislead."""
    from ..kernels.plan import find_entrants

    given = {e.library: e.path for e in found.plan.entrants if e.kernel.endswith("@given")}
    now, _ = find_entrants((), given, frameworks=True, every_copy=True)
    here = {e.kernel: e for e in now}
    for then in found.plan.entrants:
        entrant = here.get(then.kernel)
        if entrant is None:
            raise UsageError(
                f"{then.kernel}, which takes part in sweep {found.run.id}, is not on this machine any more", "start a new sweep"
            )
        for what, old, new in (
            ("its version", then.version, entrant.version),
            ("its package", then.package_version, entrant.package_version),
            ("its file", then.path, entrant.path),
        ):
            if old != new:
                message = (
                    f"{then.kernel} changed since sweep {found.run.id} was begun: {what} was {old or 'unknown'} and is {new or 'unknown'}"
                )
                raise UsageError(message, "start a new sweep")
