"""Run a command under bad conditions: `python cell.py CONDITION... -- COMMAND...`.

    hide-sys      /sys is empty and /proc/cpuinfo has no text, in a mount namespace of its own
    hide-proc     /sys and /proc are empty
    user=N        no root: user and group N, no others; Python is made reachable where only root could reach it
    one-cpu       the first allowed CPU only
    no-thp        no transparent huge pages (prctl)
    address=MIB   limit on address space (ulimit -v)
    data=MIB      limit on private memory (ulimit -d)
    group=MIB     a memory control group of its own, below this process's; removed afterwards

Ends as the command does; with 77 and a sentence where a condition cannot be made on this machine. Linux only, and Python's own library
only. Conditions are made in the order of the list above, whatever the order of the words.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CANNOT = 77
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000  # linux/sched.h
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18  # linux/mount.h
_PR_SET_THP_DISABLE = 41  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)


class CannotError(Exception):
    """This machine does not let the condition be made."""


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        raise CannotError(f"{name}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, flags: int = 0) -> None:
    """A tmpfs (source `tmpfs`), or a bind mount."""
    kind = None if flags else b"tmpfs"
    _call("mount", source.encode(), target.encode(), kind, ctypes.c_ulong(flags), b"mode=755" if kind else None)


def own_mounts() -> None:
    """A mount namespace of this process alone, by a user namespace where it is not root."""
    if os.geteuid() == 0:
        _call("unshare", _CLONE_NEWNS)
    else:
        user, group = os.geteuid(), os.getegid()
        _call("unshare", _CLONE_NEWNS | _CLONE_NEWUSER)
        for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{file}").write_text(text)
    _call("mount", b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)


def hide(*, everything: bool) -> None:
    """Make /sys, and /proc/cpuinfo or all of /proc, say nothing."""
    own_mounts()
    mount("tmpfs", "/sys")
    if everything:
        mount("tmpfs", "/proc")
    else:
        mount("/dev/null", "/proc/cpuinfo", _MS_BIND)


def become(user: int) -> None:
    """Give up root for good; folders that only root may pass are covered, with what Python needs of them put back."""
    if os.geteuid() != 0:
        return  # no root already
    needed = {os.path.realpath(path) for path in (sys.base_prefix, sys.prefix, str(Path(__file__).parents[2]))}
    closed = {top for path in needed if (top := _closed_above(path))}
    if closed:
        own_mounts()
        aside = tempfile.mkdtemp()
        mount("tmpfs", aside)
        kept = {}
        for number, path in enumerate(sorted(path for path in needed if _closed_above(path))):
            kept[path] = f"{aside}/{number}"
            Path(kept[path]).mkdir()
            mount(path, kept[path], _MS_BIND | _MS_REC)
        for top in closed:
            mount("tmpfs", top)
        for path, place in kept.items():
            Path(path).mkdir(parents=True, exist_ok=True)
            mount(place, path, _MS_BIND | _MS_REC)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _closed_above(path: str) -> str:
    """The first folder on the way to `path` that others may not pass; empty where all are open."""
    for folder in [*reversed(Path(path).parents), Path(path)]:
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return ""


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """A control group of this size below the own one, version 1 or 2."""
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    places = [("memory", Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), ("", Path("/sys/fs/cgroup"), "memory.max")]
    for controller, root, name in places:
        if controller not in own:
            continue
        folder = root / own[controller].lstrip("/") / f"mmbench-hostile-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / name).exists():
                (folder / name).write_text(str(limit_bytes))
                yield folder
                return
        except OSError:
            continue
        finally:
            folder.rmdir()
    raise CannotError("no memory control group can be made here")


def main(words: list[str]) -> int:
    """Make the conditions, then run the command in a child."""
    split = words.index("--")
    command, wanted = words[split + 1 :], dict(word.partition("=")[::2] for word in words[:split])
    try:
        with memory_group(int(wanted["group"]) << 20) if "group" in wanted else contextlib.nullcontext() as group:
            return _run(command, wanted, group)
    except CannotError as error:
        sys.stderr.write(f"cannot be made here: {error}\n")
        return CANNOT


def _run(command: list[str], wanted: dict[str, str], group: Path | None) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 70
    try:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))
        _prepare(wanted)
        os.execvp(command[0], command)
    except (CannotError, OSError, ValueError) as error:
        sys.stderr.write(f"cannot be made here: {error}\n")
        code = CANNOT
        sys.stderr.flush()
    finally:
        os._exit(code)


def _prepare(wanted: dict[str, str]) -> None:
    if "one-cpu" in wanted:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if "no-thp" in wanted:
        _call("prctl", _PR_SET_THP_DISABLE, 1, 0, 0, 0)
    if "hide-sys" in wanted or "hide-proc" in wanted:
        hide(everything="hide-proc" in wanted)
    if "user" in wanted:
        become(int(wanted["user"]))
    for word, limit in (("address", resource.RLIMIT_AS), ("data", resource.RLIMIT_DATA)):
        if word in wanted:
            resource.setrlimit(limit, (int(wanted[word]) << 20,) * 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
