"""Turn the words of `mmbench sweep` into a plan: lists, shares, presets and grids, who takes part, and whether a run may be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from ..configs.cases import Case
from ..configs.errors import NotPossibleError, UsageError
from ..configs.facts import Scalar
from ..configs.kernel_names import is_given
from ..configs.plan import Entrant, Skip, SweepPlan
from ..configs.profiles import Profile, ad_hoc, load_profile
from ..configs.sweeplog import Missing, Sweep

if TYPE_CHECKING:
    from ..kernels.entrants import Absent


_OPEN_S = 60.0
_SESSION = "mmbench.kernels.session"
_ASKED = (64, 64, 128)  # the size that a given library is asked for: it shows which types the file has, and makes no product


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
    given: tuple[tuple[str, str], ...] = ()  # libraries by path, in the order given: (name, path)

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
            "library": ",".join(f"{name}={path}" for name, path in self.given),
        }
        return {name: value for name, value in values.items() if value not in (0.0, "")}


def listed(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Words of an option that may be given more than once, with commas between words; UsageError where it names nothing."""
    words = []
    for text in texts:
        found = [word.strip() for word in text.split(",") if word.strip()]
        words += found or _refuse_empty(option)
    return tuple(dict.fromkeys(words))


def _refuse_empty(option: str) -> NoReturn:
    raise UsageError(f"{option} was given without a word", "name what is meant, or leave the option out")


def refuse_empty(options: Iterable[tuple[str, str | None]]) -> None:
    """UsageError for an option whose text is empty: an empty variable of a script shall not mean `as usual`."""
    for option, text in options:
        if text is not None and not text.strip():
            _refuse_empty(option)


def split_shapes(texts: Iterable[str]) -> tuple[str, ...]:
    """The same for shapes, in which commas within brackets and braces belong to a shape."""
    words: list[str] = []
    for text in texts:
        if not text.strip(" ,"):
            _refuse_empty("--shapes")
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
    """The plan, and the libraries that would take part if they were here. UsageError for words that mean nothing,
    NotPossibleError for what this machine lacks; nothing is loaded.
    """
    from ..kernels.host import Host
    from ..kernels.measure.affinity import allowed_cpus
    from ..kernels.plan import find_entrants, make_plan

    profile = _profile(request)
    _check_kernels(profile)
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


def _check_kernels(profile: Profile) -> None:
    """UsageError with the file for a word of the preset that names no kernel, even where --kernels takes its place."""
    from ..kernels.plan import find_entrants

    try:
        if profile.kernels:
            find_entrants(profile.kernels)
    except NotPossibleError:
        return  # known and not here: said where it is wanted
    except UsageError as error:
        raise UsageError(f"{profile.path}: kernels: {error.message}", error.hint) from None


def _nobody(absent: Sequence[Absent]) -> NotPossibleError:
    """Everything that was asked for is known, and nothing of it is here."""
    reasons = "; ".join(f"{a.title} is {a.reason}" if a.reason == "not installed" else f"{a.title}: {a.reason}" for a in absent)
    return NotPossibleError(f"no kernel takes part: {reasons}", "; ".join(dict.fromkeys(a.bring for a in absent if a.bring)))


def ask_given(plan: SweepPlan) -> SweepPlan:
    """Open the libraries that were given by path and ask each for the planned data types; the plan with what they lack as skips.

    UsageError, before anything is timed, for one that cannot be used or that has none of the types. One that ends its process passes here:
    that is a finding, and costs its rows.
    """
    from ..kernels.plan import sweep_guess_s

    groups: dict[tuple[str, str], list[Entrant]] = {}
    for entrant in plan.entrants:
        if is_given(entrant.kernel):
            groups.setdefault((entrant.library, entrant.path), []).append(entrant)
    skips = []
    for entrants in groups.values():  # a library, and its twin that does the epilogue in a pass of its own
        cells = {e.kernel: _cells_left(plan, e.kernel) for e in entrants}
        types = {plan.cells[i].case.dtype: plan.cells[i].case.layout for left in cells.values() for i in left}
        for dtype, reason in _lacking(entrants[0], types).items():
            concerned = {k: tuple(i for i in left if plan.cells[i].case.dtype == dtype) for k, left in cells.items()}
            skips += [Skip(kernel, reason, left) for kernel, left in concerned.items() if left]
    if not skips:
        return plan
    plan = replace(plan, skips=(*plan.skips, *skips))
    return replace(plan, estimate_s=sweep_guess_s(plan))


def _cells_left(plan: SweepPlan, kernel: str) -> list[int]:
    """Cells that the plan will ask of this kernel, by index."""
    skipped = {i for skip in plan.skips if skip.kernel == kernel for i in skip.cells}
    return [i for i in range(len(plan.cells)) if i not in skipped]


def _lacking(entrant: Entrant, types: Mapping[str, str]) -> dict[str, str]:
    """Data type -> why this file does not serve it, of the types (with a layout of each); UsageError where it serves none of them."""
    from ..configs.codec import encode
    from ..kernels.host import Host
    from ..kernels.measure.affinity import allowed_cpus
    from ..kernels.measure.worker import Worker, WorkerError

    cases = [Case(*_ASKED, dtype=dtype, layout=layout) for dtype, layout in types.items()]
    where = f"--library {entrant.library}"
    try:
        with Worker() as worker:
            arguments = {"entrant": encode(entrant), "host": encode(Host.of(None, allowed_cpus()))}
            worker.call(f"{_SESSION}:open_kernel", arguments, _OPEN_S)
            reasons = worker.call(f"{_SESSION}:ask_cases", {"cases": [encode(case) for case in cases]}, _OPEN_S)
    except WorkerError as error:
        if error.died:
            return {}
        raise UsageError(f"{where}: {error.message}", error.hint) from None
    lacking = {dtype: reason for dtype, reason in zip(types, reasons, strict=True) if reason}
    if lacking and len(lacking) == len(types):
        found = "; ".join(dict.fromkeys(lacking.values()))
        raise UsageError(f"{where}={entrant.path}: {found}", "nothing that was asked for can be timed with this file")
    return lacking


def check_same_kernels(found: Sweep) -> None:
    """Refuse to go on with a run whose kernels or libraries are others now: rows of two versions under one name would mislead."""
    from ..kernels.plan import find_entrants
    from ..kernels.vendor import library as vendor

    now, _ = find_entrants(frameworks=True, every_copy=True)
    here = {e.kernel: e for e in now}
    for e in found.plan.entrants:
        if is_given(e.kernel):
            here[e.kernel] = replace(e, version=vendor.library(e.library).version, path=vendor.given(e.library, e.path).path)
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
