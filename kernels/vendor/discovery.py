"""Find where libraries lie: in Python packages, in the system's own folders, and where vendors' installers put them. Loads nothing."""

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
from collections.abc import Iterable, Sequence
from pathlib import Path

from .library import Found

# Where vendors' installers put their libraries, as patterns with the variable that moves them.
_VENDOR_FOLDERS = (
    *("${MKLROOT}/lib", "/opt/intel/oneapi/mkl/*/lib", "/opt/intel/oneapi/dnnl/*/lib", "/opt/intel/oneapi/tbb/*/lib"),
    *("/opt/AMD/aocl/*/*/lib", "/opt/AMD/aocl/*/lib", "${ARMPL_DIR}/lib", "/opt/arm/armpl*/lib", "/opt/arm/*/lib", "/opt/nvidia/nvpl*/lib"),
    *("/opt/homebrew/opt/*/lib", "/usr/local/opt/*/lib", "/usr/local/lib", "${CONDA_PREFIX}/lib"),
)


def _roots() -> list[Path]:
    """Folders that hold Python packages, and the environment's own lib folder, each once."""
    places = [*site.getsitepackages(), site.getusersitepackages(), *(p for p in sys.path if p.endswith("-packages"))]
    return [Path(p) for p in dict.fromkeys(places) if Path(p).is_dir()]


def package_version(name: str) -> str:
    """Version of an installed distribution; empty where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def in_packages(library: str, places: Iterable[tuple[str, str]]) -> list[Found]:
    """Copies that came with Python packages. `places`: (distribution, pattern below site-packages, or `@lib/…` below the prefix)."""
    found = []
    for package, pattern in places:
        version = package_version(package)
        if not version:
            continue
        bases = [Path(sys.prefix) / "lib"] if pattern.startswith("@lib/") else _roots()
        for base in bases:
            paths = [p for p in sorted(base.glob(pattern.removeprefix("@lib/"))) if p.is_file()]
            found += [Found(library, package, str(p.resolve()), version) for p in paths]
    return _once(found)


def on_system(library: str, names: Sequence[str]) -> list[Found]:
    """Copies that the system's loader knows or that lie in vendors' folders. `names` are file names or beginnings (`libblis.so`)."""
    listed = [path for path in _loader_paths() if path.name.startswith(tuple(names))]
    found = [Found(library, "system", str(path.resolve())) for path in listed]
    for folder in [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *_VENDOR_FOLDERS]:
        place = _expanded(folder)
        for name in names if place else ():
            found += [Found(library, "system", str(Path(p).resolve())) for p in sorted(glob.glob(f"{place}/{name}*"))]  # noqa: PTH207
    ours = [f for f in _once(found) if not f.path.startswith(sys.prefix)]
    return [Found(f.library, _origin(f.path), f.path, _release(f.path)) for f in ours]


def _expanded(folder: str) -> str:
    """The pattern with its variable; empty where the variable is not set."""
    match = re.match(r"\$\{(\w+)\}", folder)
    if match is None:
        return folder
    value = os.environ.get(match[1], "")
    return folder.replace(match[0], value) if value else ""


@functools.cache
def _loader_paths() -> tuple[Path, ...]:
    """What the loader's cache lists (`ldconfig -p`, some milliseconds); nothing where there is no such cache."""
    command = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        listed = subprocess.run([command, "-p"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(Path(line.rsplit("=> ", 1)[1]) for line in listed.splitlines() if "=> " in line)


def _origin(path: str) -> str:
    """One word for where a file came from: the distribution's name for its own folders, else the folder in /opt."""
    if path.startswith("/opt/"):
        return path.split("/")[2].lower()
    if path.startswith("/usr/local/"):
        return "local"
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
    """The version in a file name such as libopenblasp-r0.3.21.so; empty without one."""
    match = re.search(r"(\d+\.\d+(?:\.\d+)*)", Path(path).name)
    return match[1] if match else ""


def _once(found: Iterable[Found]) -> list[Found]:
    """Each file once: the first that names it counts."""
    seen: dict[str, Found] = {}
    for item in found:
        seen.setdefault(item.path, item)
    return list(seen.values())
