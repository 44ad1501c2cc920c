"""Find the control groups that bind this process, its own first and then each group above it.

Method: `/proc/self/cgroup` names the group for each controller, `/proc/self/mountinfo` says where each hierarchy is mounted and
which part of it (cgroups(7), cgroup_namespaces(7)). Both versions may be in use at once (hybrid set-ups).
Known flaw: limits above the mounted part (outside a container's own view) cannot be seen; they still bind.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from .system_files import read_text, under

# What is read from each group. The names differ between the versions, so both are asked for in each folder.
GROUP_FILES = {
    "cpu": ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.stat"),
    "memory": (
        *("memory.max", "memory.high", "memory.current", "memory.swap.max", "memory.stat"),
        *("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ),
    "cpuset": ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.mems.effective", "cpuset.effective_mems"),
}


def group_folders(root: Path, controller: str) -> list[Path]:
    """The folders of the groups of `controller` that hold this process: its own first, the mounted root last.

    On a hybrid set-up the version 1 hierarchy of the controller comes first, then version 2. Empty where nothing is mounted.
    """
    folders: list[Path] = []
    own = _own_groups(read_text(under(root, "/proc/self/cgroup")) or "")
    for mount_point, mount_root, controllers in _mounts(root):
        if controllers is not None and controller not in controllers:
            continue
        group = own.get("" if controllers is None else controller, "/")
        for folder in _chain(under(root, mount_point), _below(mount_root, group)):
            if folder.is_dir() and folder not in folders:
                folders.append(folder)
    return folders


def read_groups(root: Path, controller: str) -> list[dict[str, str]]:
    """The texts of the controller's files, one dict a group, own group first. Paths are left out: they may name a person or a job."""
    groups = []
    for folder in group_folders(root, controller):
        texts = {name: text for name in GROUP_FILES[controller] if (text := read_text(folder / name)) is not None}
        if texts:
            groups.append(texts)
    return groups


def _own_groups(text: str) -> dict[str, str]:
    """Controller (`""` for version 2) to the group's path."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                groups[controller] = parts[2]
    return groups


def _mounts(root: Path) -> list[tuple[str, str, tuple[str, ...] | None]]:
    """(mount point, mounted part, controllers; None for version 2) of each hierarchy, version 1 first."""
    mounts: list[tuple[str, str, tuple[str, ...] | None]] = []
    for line in (read_text(under(root, "/proc/self/mountinfo")) or "").splitlines():
        before, dash, after = line.partition(" - ")
        fields, super_block = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5 or len(super_block) < 3:
            continue
        if super_block[0] == "cgroup2":
            mounts.append((_plain(fields[4]), _plain(fields[3]), None))
        elif super_block[0] == "cgroup":
            mounts.append((_plain(fields[4]), _plain(fields[3]), tuple(super_block[2].split(","))))
    if not mounts:  # mountinfo hidden: the usual place
        if under(root, "/sys/fs/cgroup/cgroup.controllers").exists():
            mounts.append(("/sys/fs/cgroup", "/", None))
        else:
            mounts.extend((f"/sys/fs/cgroup/{name}", "/", (name,)) for name in GROUP_FILES)
    return sorted(mounts, key=lambda mount: mount[2] is None)


def _plain(field: str) -> str:
    """A mountinfo path with its octal escapes undone."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _below(mount_root: str, group: str) -> PurePosixPath:
    """The group's path below the mount point; the mount point itself where the group lies outside of what is mounted."""
    path = PurePosixPath(group)
    try:
        inner = path.relative_to(mount_root)
    except ValueError:
        return PurePosixPath()
    return PurePosixPath() if ".." in inner.parts else inner


def _chain(mount_point: Path, inner: PurePosixPath) -> list[Path]:
    """From the innermost folder up to the mount point."""
    parts = inner.parts
    return [mount_point.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
