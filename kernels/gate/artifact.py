"""Turn what a gate is run against (`lib:PATH`, `kernel:NAME`, `venv:PATH`, `pip:SPEC`) into two sides and who meets whom. Times nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...configs.errors import NotPossibleError, UsageError
from ...configs.gateplan import Contest, Side
from ...configs.kernel_names import UNFUSED, is_given, is_unfused
from ...configs.plan import Entrant
from ...configs.tables import near
from ..entrants import find_entrants
from ..vendor import library as vendor
from ..vendor.files import architecture, file_sha, this_architecture
from ..vendor.stated import stated_version
from .environments import NUMBA, WITH_NUMBA, check_environment, check_unchanged, contents_of, environment_side, needed_by, with_packages
from .installs import install, remove_environment, reopen_environment, requirements_in
from .remote import packages_of

KINDS = ("lib", "kernel", "venv", "pip", "run")
_FORMS = "lib:PATH, lib:NAME=PATH, kernel:NAME, venv:PATH, pip:SPEC or run:ID"
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)=(.*)", re.DOTALL)
# Which adapters a file is for, by the beginning of its name; all of those in one row take it, the first of two rows that fit counts.
_FILES = (
    ("libblis-mt", ("aocl",)),
    ("libblis", ("blis",)),
    ("libmkl_rt", ("mkl",)),
    ("mkl_rt", ("mkl",)),
    ("libdnnl", ("onednn", "onednn-gemm")),
    ("libxsmm", ("libxsmm",)),
    ("libarmpl", ("armpl",)),
    ("libnvpl_blas", ("nvpl",)),
    ("libopenblas", ("openblas",)),
    ("libscipy_openblas", ("openblas",)),
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a gate is run against. `kind` is a word of `KINDS`, `value` a path, a name or pip's words; `name` is that of `lib:NAME=PATH`."""

    kind: str
    value: str
    name: str = ""

    @property
    def word(self) -> str:
        """As it is written."""
        return f"{self.kind}:{self.name}={self.value}" if self.name else f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class Sides:
    """Two sides and who meets whom. `absent` are kernels that the old side has and the new one has not: their cells are deleted ones."""

    old: Side
    new: Side
    contests: tuple[Contest, ...]
    notes: tuple[str, ...] = ()
    absent: tuple[Entrant, ...] = ()


def parse_artifact(text: str) -> Artifact:
    """The words of `--against`; UsageError says what is wrong with them. What `run:` names is not looked at here."""
    kind, colon, value = text.partition(":")
    if not colon or kind not in KINDS:
        raise UsageError(f"--against {text}: it begins with none of {', '.join(f'{known}:' for known in KINDS)}", _meant(text, kind))
    value = value.strip()
    if not value:
        raise UsageError(f"--against {text}: nothing is named behind '{kind}:'", f"write {_FORMS}")
    if kind == "lib":
        return _library_file(text, value)
    if kind == "venv":
        place = Path(value).expanduser()
        if not place.is_dir():
            what = "is a file, not a folder" if place.exists() else "does not exist"
            raise UsageError(f"--against {text}: {place} {what}", "name the folder of a virtual environment")
        return Artifact(kind, str(place.absolute()))
    if kind == "pip":
        requirements_in(value)
    return Artifact(kind, value)


def sides_of(
    artifact: Artifact,
    entrants: Sequence[Entrant],
    *,
    wanted: tuple[str, ...] = (),
    run: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> Sides:
    """The sides and contests of an artifact against the kernels that were chosen here (`entrants`, by the words of `wanted`).

    `pip:` makes an environment named after `run`, which is removed again where no contest comes of it; `tell` hears of what takes long.
    UsageError where what was chosen does not fit, NotPossibleError where the artifact cannot be used on this machine.
    """
    if artifact.kind == "lib":
        found = _against_library(artifact, entrants, wanted)
    elif artifact.kind == "kernel":
        found = _against_kernel(artifact, entrants)
    elif artifact.kind == "venv":
        found = _against_environment(environment_side(artifact.word, "venv", Path(artifact.value)), entrants, wanted)
    elif artifact.kind == "pip":
        made = install(artifact.value, needed_by(entrants), run, tell)
        try:
            found = _against_environment(made, entrants, wanted)
        except BaseException:
            remove_environment(made)
            raise
    else:
        raise UsageError(f"{artifact.word} is no artifact that can be run again", f"write {_FORMS}")
    return replace(found, notes=(*found.notes, *_sameness(found)))


def reopen(side: Side) -> None:
    """Take an old side up again for a run that is resumed; an error says that it is gone or has changed."""
    if side.kind == "pip":
        reopen_environment(side)
    if side.kind in ("pip", "venv"):
        check_unchanged(side)
    elif side.kind == "lib" and not Path(side.place).is_file():
        raise NotPossibleError(f"{side.place} is gone", "start a new gate")


def _meant(text: str, kind: str) -> str:
    """A hint for a word without a kind that is known."""
    place = Path(text).expanduser()
    if place.is_file():
        return f"did you mean {'pip' if text.endswith('.whl') else 'lib'}:{text}?"
    if text and place.is_dir():
        return f"did you mean venv:{text}?"
    return near(f"{kind}:", [f"{known}:" for known in KINDS], f"write {_FORMS}")


def _library_file(text: str, value: str) -> Artifact:
    """`PATH` or `NAME=PATH`; a path may hold `=` of its own."""
    match = _NAMED.fullmatch(value)
    name, path = (match[1], match[2]) if match and not Path(value).expanduser().exists() else ("", value)
    if match and name and not path:
        raise UsageError(f"--against {text}: no file is named behind '{name}='", f"write {_FORMS}")
    if name and vendor.library(name).kind == "framework":
        raise UsageError(f"--against {text}: {name} is imported by Python, not loaded from a file", "name its environment: venv:PATH")
    place = Path(path).expanduser()
    if not place.is_file():
        what = "is a folder" if place.is_dir() else "does not exist"
        raise UsageError(f"--against {text}: {place} {what}", "name the shared library's own file")
    return Artifact("lib", str(place.absolute()), name)


def _against_library(artifact: Artifact, entrants: Sequence[Entrant], wanted: tuple[str, ...]) -> Sides:
    """A file against the chosen copies of the library that it is: its fused and unfused kernels each with their like."""
    there = architecture(Path(artifact.value))
    if there != this_architecture():
        raise NotPossibleError(f"{artifact.value} is for {there}, and this machine is {this_architecture()}", "name a build for it")
    names = _adapters(artifact, entrants)
    fitting = [entrant for entrant in entrants if entrant.kind == "library" and entrant.library in names]
    given = [entrant for entrant in fitting if is_given(entrant.kernel)]
    if given and not wanted:  # who names a new file beside the old one means these two
        fitting = given
    if not fitting:
        chosen = ", ".join(entrant.kernel for entrant in entrants) or "none"
        raise UsageError(
            f"{artifact.word} is {' or '.join(names)}, and no such kernel takes part (chosen: {chosen})",
            f"choose one with --kernels {names[0]}, or name the new file: --library {names[0]}=PATH",
        )
    contests = []
    for entrant in fitting:
        path = vendor.given(entrant.library, artifact.value).path
        suffix = UNFUSED if is_unfused(entrant.kernel) else ""
        old = Entrant(f"{entrant.library}{suffix}@given", "library", entrant.version, entrant.title, path)
        contests.append(Contest(entrant.kernel, old, entrant))
    left = [entrant.kernel for entrant in entrants if entrant not in fitting]
    notes = (f"{artifact.word} is {' or '.join(names)}: {', '.join(left)} left out",) if left else ()
    packages = packages_of(fitting)
    old_side = Side(artifact.word, "lib", place=contests[0].old.path, packages=packages)
    return Sides(old_side, Side("here", packages=packages), tuple(contests), notes)


def _adapters(artifact: Artifact, entrants: Sequence[Entrant]) -> tuple[str, ...]:
    """The libraries that a file is called as: as it was said, as its name or its own words say, or as the one library that was chosen."""
    if artifact.name:
        return (artifact.name,)
    chosen = tuple(dict.fromkeys(entrant.library for entrant in entrants if entrant.kind == "library"))
    looks = _looks_like(artifact.value)
    if looks:
        if len(chosen) == 1 and chosen[0] not in looks:
            raise UsageError(
                f"{artifact.word} looks like {' or '.join(looks)}, and the chosen kernel is {chosen[0]}",
                f"say what it is: --against lib:{chosen[0]}={artifact.value}",
            )
        return looks
    if len(chosen) == 1:
        return chosen
    hint = f"choose one library with --kernels, or say which it is: --against lib:NAME={artifact.value}"
    raise UsageError(f"{artifact.word}: its name does not tell which library it is", hint)


def _looks_like(path: str) -> tuple[str, ...]:
    """The adapters for this file by its name, or by what it says of itself; none where neither tells."""
    real = Path(path).resolve().name
    for name in (Path(path).name, real):
        for beginning, adapters in _FILES:
            if name.startswith(beginning):
                return _said_otherwise(path, adapters)
    return tuple(n for n in ("openblas", "aocl") if stated_version(path, vendor.library(n).mark))


def _said_otherwise(path: str, adapters: tuple[str, ...]) -> tuple[str, ...]:
    """BLIS and AOCL-BLAS go by the same file name; only the file tells AMD's."""
    return ("aocl",) if adapters == ("blis",) and stated_version(path, vendor.library("aocl").mark) else adapters


def _against_kernel(artifact: Artifact, entrants: Sequence[Entrant]) -> Sides:
    """One kernel of this machine against the one that was chosen."""
    named = [entrant for entrant in entrants if entrant.kernel == artifact.value]
    if not named:
        named, lacking = find_entrants((artifact.value,))
        if lacking and not named:
            raise NotPossibleError(f"{artifact.word}: {lacking[0].name} is not here: {lacking[0].reason}", lacking[0].bring)
    if len(named) != 1:
        shown = ", ".join(entrant.kernel for entrant in named)
        raise UsageError(f"{artifact.word} names {len(named)} kernels: {shown}", "name one of them")
    old = named[0]
    others = [entrant for entrant in entrants if entrant.kernel != old.kernel] if len(entrants) == 2 else list(entrants)
    if len(others) != 1:
        shown = ", ".join(entrant.kernel for entrant in entrants) or "none"
        raise UsageError(
            f"{artifact.word} is held against exactly one kernel, and {len(entrants)} are chosen: {shown}", "use --kernels NAME"
        )
    new = others[0]
    packages = packages_of((old, new))
    old_side = Side(artifact.word, "kernel", place=old.path, packages=packages)
    return Sides(old_side, Side("here", packages=packages), (Contest(new.kernel, old, new),))


def _against_environment(bare: Side, entrants: Sequence[Entrant], wanted: tuple[str, ...]) -> Sides:
    """Each chosen kernel against its namesake in the other environment: own kernels by name, copies of libraries by `library@origin`."""
    if not entrants and not wanted:
        raise UsageError(f"{bare.word}: no kernel is chosen", "choose some with --kernels")
    check_environment(bare, entrants)
    contents = contents_of(bare, wanted)
    old, there = with_packages(bare, contents), {entrant.kernel: entrant for entrant in contents.entrants}
    here, _ = find_entrants(frameworks=True, every_copy=True)
    ours = {entrant.kernel for entrant in (*here, *entrants)}
    contests = tuple(Contest(each.kernel, there[each.kernel], each) for each in entrants if each.kernel in there)
    absent = tuple(each for each in contents.chosen if each.kernel not in ours)
    if not contests and not absent:
        known = ", ".join(there)
        chosen = ", ".join(each.kernel for each in entrants)
        raise NotPossibleError(f"{bare.word} has none of what is chosen here ({chosen})", f"there: {known}")
    notes = [_alone(each, old, there) for each in entrants if each.kernel not in there]
    notes += [f"{each.kernel}: only the old side has it, so its cells are deleted ones" for each in absent]
    return Sides(old, Side("here", packages=packages_of((*here, *entrants))), contests, tuple(notes), absent)


def _alone(entrant: Entrant, old: Side, there: dict[str, Entrant]) -> str:
    """What is said of a kernel that the old side has not."""
    if entrant.kernel in WITH_NUMBA:
        has = f"numba {old.packages['numba']}" if "numba" in old.packages else "no numba"
        return f"{entrant.kernel}: new, nothing to hold it against ({old.word} has {has}, and {NUMBA['numba']} is the least)"
    copies = [name for name, each in there.items() if each.library == entrant.library]
    other = f" ({old.word} has {', '.join(copies)})" if copies else ""
    return f"{entrant.kernel}: new, nothing to hold it against{other}"


def _sameness(sides: Sides) -> list[str]:
    """Notes on contests whose sides do not differ: whatever is found there is bias, not a change."""
    files = [contest.name for contest in sides.contests if contest.old.path and _same_file(contest.old.path, contest.new.path)]
    code = [contest.name for contest in sides.contests if not contest.old.path and _same_code(contest, sides)]
    notes = []
    if files:
        notes.append(f"{', '.join(files)}: both sides are the same file: this gate compares it with itself")
    if code:
        notes.append(f"{', '.join(code)}: both sides are the same code in the same versions: this gate compares it with itself")
    return notes


def _same_file(old: str, new: str) -> bool:
    """Whether two paths lead to one file, or to files of the same bytes."""
    try:
        if not new or Path(old).samefile(new):
            return bool(new)
        return Path(old).stat().st_size == Path(new).stat().st_size and file_sha(old) == file_sha(new)
    except OSError:
        return False


def _same_code(contest: Contest, sides: Sides) -> bool:
    """Of kernels without a file: one kernel, made by the same packages on both sides."""
    old, new = contest.old, contest.new
    makers = ("llvmlite", "numba") if new.kernel in WITH_NUMBA else ("llvmlite",)
    same_makers = old.kind != "own" or all(sides.old.packages.get(name) == sides.new.packages.get(name) for name in makers)
    return (old.kernel, old.version, old.package_version) == (new.kernel, new.version, new.package_version) and same_makers
