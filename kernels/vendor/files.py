"""Open a shared library with errors in words, and say which files it takes and how large they are on disk."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import platform
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from ...configs.errors import NotPossibleError

# e_machine of an ELF header, and cputype of a Mach-O header, to the words of `platform.machine()`.
_ELF = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_MACH = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
_SAME = {"amd64": "x86_64", "arm64": "aarch64"}
# What every system brings with it is not counted as part of a library.
_SYSTEM = (
    "libc.",
    "libc-",
    "libm.",
    "libm-",
    "libpthread",
    "libdl.",
    "librt.",
    "ld-linux",
    "libgcc_s",
    "libstdc++",
    "libutil.",
    "linux-vdso",
)


def architecture(path: Path) -> str:
    """The architecture that a shared library is for; NotPossibleError when the file is none."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise NotPossibleError(f"{path} cannot be read: {error.strerror}") from error
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        order = "<" if head[5] == 1 else ">"
        number = struct.unpack_from(order + "H", head, 18)[0]
        return _ELF.get(number, f"machine number {number}")
    if head[:4] == b"\xcf\xfa\xed\xfe":
        return _MACH.get(struct.unpack_from("<I", head, 4)[0], "another Mach-O machine")
    if head[:4] == b"\xca\xfe\xba\xbe":
        return platform.machine()  # a universal file: the loader picks
    raise NotPossibleError(f"{path} is no shared library", "name the .so file itself, not an archive or a linker script")


def open_library(path: str, symbols: Sequence[str] = (), *, shared: bool = False) -> ctypes.CDLL:
    """The library, loaded, with all of `symbols`; NotPossibleError says in a sentence what is wrong with it.

    `shared`: its symbols serve libraries that are loaded after it (RTLD_GLOBAL).
    """
    here = _SAME.get(platform.machine().lower(), platform.machine().lower())
    if Path(path).is_file():
        there = architecture(Path(path))
        if there != _SAME.get(there, here) and there != here:
            raise NotPossibleError(f"{path} is for {there}, and this machine is {here}")
    try:
        handle = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL if shared else ctypes.RTLD_LOCAL)
    except OSError as error:
        raise NotPossibleError(f"{path} cannot be loaded: {error}", "a library that it needs may be missing") from error
    for name in symbols:
        if not has(handle, name):
            raise NotPossibleError(f"{path} has no function '{name}'", "is it the right library, built with what mmbench calls?")
    return handle


def has(handle: ctypes.CDLL, name: str) -> bool:
    """Whether the library exports this function."""
    return hasattr(handle, name)


def address(handle: ctypes.CDLL, name: str) -> int:
    """Where a function lies; NotPossibleError when it is not exported."""
    if not has(handle, name):
        raise NotPossibleError(f"this build has no function '{name}'")
    return int(ctypes.cast(getattr(handle, name), ctypes.c_void_p).value or 0)


def first_of(handle: ctypes.CDLL, names: Sequence[str]) -> str:
    """The first of these functions that the library exports; empty for none."""
    return next((name for name in names if has(handle, name)), "")


def text_of(function: Callable[[], bytes | None]) -> str:
    """What a `char *f(void)` answers, as text."""
    answer = function()
    return answer.decode(errors="replace").strip() if answer else ""


def mapped_files() -> set[str]:
    """Files that this process has mapped as code; nothing where the system does not tell (only Linux does)."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=5)[5] for line in lines if line.count("/") and " r-xp " in line}


def taken_files(before: set[str], path: str) -> tuple[tuple[str, ...], int]:
    """(files mapped since `before`, the library's own first; their bytes on disk), without those that every system has."""
    own = str(Path(path).resolve())
    more = sorted(f for f in mapped_files() - before if f != own and not Path(f).name.startswith(_SYSTEM))
    files = [own, *more]
    size = 0
    for name in files:
        with contextlib.suppress(OSError):
            size += Path(name).stat().st_size
    return tuple(files), size


def file_sha(path: str) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256; empty where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""
