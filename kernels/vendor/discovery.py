"""Find where libraries lie: in Python packages, in the system's own folders, and where vendors' installers put them.

Loads nothing, and starts one process at most (`ldconfig -p`, some milliseconds). Symbolic links are followed and a file is named once.
"""

from __future__ import annotations

import functools
import glob
import importlib.metadata
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .library import Found

# Where vendors' installers and distributions put what the loader's cache does not list, with the variable that moves them.
_FOLDERS = (
    *("${MKLROOT}/lib", "/opt/intel/oneapi/mkl/*/lib", "/opt/intel/oneapi/dnnl/*/lib", "/opt/intel/oneapi/tbb/*/lib"),
    *("${AOCL_ROOT}/lib", "${AOCL_ROOT}/lib_LP64", "/opt/AMD/aocl/*/*/lib", "/opt/AMD/aocl/*/*/lib_LP64", "/opt/AMD/aocl/*/lib"),
    *("${ARMPL_DIR}/lib", "/opt/arm/armpl*/lib", "/opt/arm/*/lib", "${NVPL_ROOT}/lib", "/opt/nvidia/nvpl*/lib"),
    *("/opt/nvidia/hpc_sdk/*/*/compilers/lib", "/opt/homebrew/opt/*/lib", "/usr/local/opt/*/lib", "/usr/local/lib"),
    *("${CONDA_PREFIX}/lib", "/usr/lib/*/openblas*", "/usr/lib/*/blis*"),
)
_DPKG = "var/lib/dpkg"


def package_version(name: str) -> str:
    """Version of an installed distribution; empty where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def in_packages(library: str, places: Iterable[tuple[str, str]]) -> list[Found]:
    """Copies that came with Python packages. `places`: (distribution, pattern below site-packages, or `@lib/…` below the prefix)."""
    found = []
    versions: dict[str, str] = {}
    for package, pattern in places:
        version = versions.setdefault(package, package_version(package))
        for base in _bases(pattern) if version else ():
            paths = [path for path in sorted(base.glob(pattern.removeprefix("@lib/"))) if path.is_file()]
            found += [Found(library, package, str(path.resolve()), version) for path in paths]
    return copies(found)


def on_system(library: str, names: Sequence[str]) -> list[Found]:
    """Copies that the system's loader knows or that lie in vendors' folders. `names` are beginnings of file names (`libblis.so`).

    `origin` is the distribution's name (`debian`), the vendor's folder in /opt, `local`, `homebrew` or `conda`. What lies in this
    environment's own packages is left to `in_packages`.
    """
    paths = [path for path in loader_paths() if path.name.startswith(tuple(names))]
    for folder in [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *_FOLDERS]:
        place = _expanded(folder)
        for name in names if place else ():
            paths += [Path(p) for p in sorted(glob.glob(f"{place}/{name}*"))]  # noqa: PTH207
    real = dict.fromkeys(str(path.resolve()) for path in paths if path.is_file())
    return copies([Found(library, _origin(path), path, _release(path)) for path in real if not path.startswith(_own_folders())])


def copies(found: Iterable[Found]) -> list[Found]:
    """Each file once, the first that names it, and each under a name of its own: a second one of the same origin gets a word more."""
    files: dict[str, Found] = {}
    for item in found:
        files.setdefault(item.path, item)
    named: dict[str, Found] = {}
    for item in files.values():
        origin = next(name for word in _distinctions(item) if (name := item.origin + word) not in named)
        named[origin] = replace(item, origin=origin)
    return list(named.values())


def _distinctions(item: Found) -> Iterator[str]:
    """Endings that tell copies of one origin apart: none, what the folder or the file name says of it, a number."""
    yield ""
    place = Path(item.path)
    for text in (place.parent.name, place.name):
        for word in re.findall(r"pthread|openmp|gomp|serial|seq|ilp64|lp64|64|_mp|-mt", text):
            yield "-" + word.strip("_-")
    number = 1
    while True:
        number += 1
        yield f"-{number}"


@functools.cache
def _roots() -> tuple[Path, ...]:
    """Folders that hold Python packages, each once."""
    places = [*site.getsitepackages(), site.getusersitepackages(), *(p for p in sys.path if p.endswith("-packages"))]
    return tuple(Path(p) for p in dict.fromkeys(places) if Path(p).is_dir())


def _bases(pattern: str) -> tuple[Path, ...]:
    """Where a pattern of `in_packages` begins; wheels put files beside `lib` in Library/bin on Windows."""
    return (Path(sys.prefix) / "lib", Path(sys.prefix) / "Library/bin") if pattern.startswith("@lib/") else _roots()


def _own_folders() -> tuple[str, ...]:
    """Folders of this environment's packages; its `lib` too, where it is an environment apart from the system's Python."""
    own = [f"{root.resolve()}/" for root in _roots()]
    if sys.prefix != sys.base_prefix:
        own.append(f"{Path(sys.prefix).resolve()}/")
    return tuple(own)


def _expanded(folder: str) -> str:
    """The pattern with its variable; empty where the variable is not set."""
    match = re.match(r"\$\{(\w+)\}", folder)
    if match is None:
        return folder
    value = os.environ.get(match[1], "")
    return folder.replace(match[0], value) if value else ""


@functools.cache
def loader_paths() -> tuple[Path, ...]:
    """The libraries in the loader's cache, as listed (`ldconfig -p`); nothing where there is no such cache."""
    command = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        listed = subprocess.run([command, "-p"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(Path(line.rsplit("=> ", 1)[1]) for line in listed.splitlines() if "=> " in line)


def _origin(path: str) -> str:
    """One word for where a file came from."""
    for beginning, word in (("/opt/homebrew/", "homebrew"), ("/usr/local/opt/", "homebrew"), ("/usr/local/", "local")):
        if path.startswith(beginning):
            return word
    if path.startswith("/opt/"):
        return path.split("/")[2].lower()
    conda = os.environ.get("CONDA_PREFIX", "")
    if conda and path.startswith(f"{conda}/"):
        return "conda"
    return _distribution() if path.startswith(("/usr/", "/lib")) else "system"


@functools.cache
def _distribution() -> str:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "system"
    match = re.search(r'^ID="?([a-z0-9.-]+)', text, re.MULTILINE)
    return match[1] if match else "system"


def _release(path: str) -> str:
    """The package's version where dpkg knows it, or the version in a name such as libopenblasp-r0.3.21.so; empty without either.

    What follows `.so` in a name is the version of an interface, which is another thing (libblis.so.4 is BLIS 0.9).
    """
    known = debian_version(path)
    match = re.search(r"(\d+\.\d+(?:\.\d+)*)", Path(path).name.partition(".so")[0])
    return known or (match[1] if match else "")


def debian_version(path: str, root: Path = Path("/")) -> str:
    """Version of the Debian package that a file came with; empty where dpkg does not know it.

    Read from dpkg's own lists: asking `dpkg-query` takes ten times as long. Only packages named like the file are looked at.
    """
    stem = re.split(r"[0-9.\-_]", Path(path).name, maxsplit=1)[0]
    names = {path, path.removeprefix("/usr"), f"/usr{path}"}
    for listed in (root / _DPKG / "info").glob(f"{stem.removesuffix('p')}*.list") if stem.startswith("lib") else ():
        if names.isdisjoint(listed.read_text(encoding="utf-8", errors="replace").splitlines()):
            continue
        package = listed.name.removesuffix(".list").partition(":")[0]
        status = _dpkg_status(root)
        match = re.search(rf"^Package: {re.escape(package)}\n(?:.+\n)*?Version: (\S+)$", status, re.MULTILINE)
        return match[1] if match else ""
    return ""


@functools.cache
def _dpkg_status(root: Path) -> str:
    try:
        return (root / _DPKG / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
