"""The state of a system read from folders that stand in for it: limits of both control group versions, neighbours, nonsense."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from mmbench.configs.codec import encode
from mmbench.kernels.measure.cgroups import group_folders, read_groups
from mmbench.kernels.measure.condition_facts import facts_of
from mmbench.kernels.measure.conditions import memory_budget_bytes, read_conditions, read_overrides, read_state
from mmbench.kernels.measure.system_files import cpu_list, cpu_list_text, keyed_numbers, read_text, whole_number

GIB = 2**30
V2_MOUNT = "24 30 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"


def plant(root: Path, files: dict[str, str | bytes]) -> None:
    for path, text in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())


def value(root: Path, name: str):
    return read_conditions(root, allowed=[0, 1], window_s=0.0)[name].value


def test_the_tightest_quota_above_the_process_counts(tmp_path):
    plant(
        tmp_path,
        {
            "/proc/self/cgroup": "0::/a/b\n",
            "/proc/self/mountinfo": V2_MOUNT,
            "/sys/fs/cgroup/a/b/cpu.max": "max 100000",
            "/sys/fs/cgroup/a/cpu.max": "150000 100000",
            "/sys/fs/cgroup/a/cpu.stat": "nr_throttled 4\nthrottled_usec 2000000",
            "/sys/fs/cgroup/cpu.max": "400000 100000",
        },
    )
    assert value(tmp_path, "cpu_quota") == 1.5
    assert value(tmp_path, "throttled_periods") == 4
    assert value(tmp_path, "throttled_s") == pytest.approx(2.0)


def test_version_1_quota_and_its_own_mounts(tmp_path):
    mounts = (
        "31 23 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 23 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    )
    plant(
        tmp_path,
        {
            "/proc/self/cgroup": "4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n",
            "/proc/self/mountinfo": mounts,
            "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000",
            "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 * GIB),
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": str(GIB),
            "/sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}\n",
        },
    )
    assert value(tmp_path, "cpu_quota") == 0.5
    assert value(tmp_path, "memory_limit") == 2 * GIB
    assert value(tmp_path, "memory_room") <= 1.5 * GIB


def test_a_container_that_sees_its_host_path_but_only_its_own_mount(tmp_path):
    mount = "24 30 0:27 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n"
    plant(tmp_path, {"/proc/self/cgroup": "0::/docker/abc\n", "/proc/self/mountinfo": mount, "/sys/fs/cgroup/cpu.max": "200000 100000"})
    assert value(tmp_path, "cpu_quota") == 2.0
    assert "docker (control group)" in str(value(tmp_path, "container"))


@pytest.mark.parametrize("path", ["/../../other", "/elsewhere", "no path", ""])
def test_a_group_outside_of_what_is_mounted_falls_back_to_the_mount(tmp_path, path):
    plant(tmp_path, {"/proc/self/cgroup": f"0::{path}\n", "/proc/self/mountinfo": V2_MOUNT, "/sys/fs/cgroup/cpu.max": "200000 100000"})
    assert group_folders(tmp_path, "cpu")[-1] == tmp_path / "sys/fs/cgroup"
    assert all(tmp_path / "sys/fs/cgroup" in (folder, *folder.parents) for folder in group_folders(tmp_path, "cpu"))
    assert value(tmp_path, "cpu_quota") == 2.0


def test_mountinfo_hidden_means_the_usual_places(tmp_path):
    plant(tmp_path, {"/sys/fs/cgroup/cgroup.controllers": "cpu memory", "/sys/fs/cgroup/cpu.max": "100000 100000"})
    assert value(tmp_path, "cpu_quota") == 1.0


def test_group_paths_are_not_kept(tmp_path):
    plant(
        tmp_path,
        {
            "/proc/self/cgroup": "0::/user-jane/job-77\n",
            "/proc/self/mountinfo": V2_MOUNT,
            "/sys/fs/cgroup/user-jane/job-77/cpu.max": "max 100000",
        },
    )
    assert read_groups(tmp_path, "cpu") == [{"cpu.max": "max 100000"}]
    assert "jane" not in json.dumps(read_state(tmp_path, window_s=0.0))


def test_memory_budget_names_the_tightest_limit(tmp_path):
    plant(
        tmp_path,
        {
            "/proc/self/cgroup": "0::/\n",
            "/proc/self/mountinfo": V2_MOUNT,
            "/sys/fs/cgroup/memory.max": str(256 * 2**20),
            "/sys/fs/cgroup/memory.current": str(64 * 2**20),
            "/sys/fs/cgroup/memory.stat": f"inactive_file {32 * 2**20}\nactive_file 0\n",
            "/proc/meminfo": "MemTotal: 99999999 kB\nMemAvailable: 88888888 kB\n",
        },
    )
    room = 224 * 2**20
    assert memory_budget_bytes(tmp_path) == (room - room // 8, "memory.max")


def test_memory_over_its_limit_leaves_nothing(tmp_path):
    plant(
        tmp_path,
        {
            "/proc/self/cgroup": "0::/\n",
            "/proc/self/mountinfo": V2_MOUNT,
            "/sys/fs/cgroup/memory.max": "100",
            "/sys/fs/cgroup/memory.current": "200",
        },
    )
    assert memory_budget_bytes(tmp_path) == (0, "memory.max")


def test_an_address_space_limit_is_a_memory_limit():
    facts = facts_of({"files": {"/proc/self/status": "VmSize:\t 1024 kB"}, "limits": {"as": 2**21}})
    assert facts["memory_room"].value == 2**20
    assert facts["memory_room"].by == "RLIMIT_AS"


def test_memory_budget_here_is_within_the_machine():
    room, source = memory_budget_bytes()
    assert source
    assert 0 <= room < 2**50


JUNK = [
    b"",
    b"\n",
    b"-1",
    b"-9999999999999999999999",
    b"9" * 400,
    b"\x00\x01\xff\xfe",
    b"max max max",
    b"nan",
    b"0 0",
    b"\xf0\x9f\x92\xa5",
    b":::::",
]


@pytest.mark.parametrize("junk", JUNK)
def test_nonsense_in_every_file_makes_unknown_facts_and_no_crash(tmp_path, junk):
    paths = [
        *("/proc/stat", "/proc/loadavg", "/proc/meminfo", "/proc/cpuinfo", "/proc/version", "/proc/self/status", "/proc/pressure/cpu"),
        *("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        *("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/cpuset.cpus.effective", "/sys/devices/system/cpu/online"),
        *("/sys/devices/system/cpu/smt/active", "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"),
        *(
            "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
            "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
        ),
        *("/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
        "/proc/sys/kernel/perf_event_paranoid",
    ]
    plant(tmp_path, dict.fromkeys(paths, junk) | {"/proc/self/cgroup": b"0::/\n", "/proc/self/mountinfo": V2_MOUNT.encode()})
    facts = read_conditions(tmp_path, allowed=[0], window_s=0.001)
    assert facts["cpu_quota"].value is None
    assert facts["steal_s"].value is None
    assert facts["smt"].value is None
    json.dumps(encode(facts))
    assert memory_budget_bytes(tmp_path)[0] >= 0


@pytest.mark.parametrize("junk", JUNK)
def test_nonsense_in_the_files_that_lead_to_the_groups_is_no_crash(tmp_path, junk):
    plant(tmp_path, {"/proc/self/cgroup": junk, "/proc/self/mountinfo": junk})
    assert group_folders(tmp_path, "memory") == []


def test_an_empty_root_says_for_each_thing_why_it_is_unknown(tmp_path):
    facts = read_conditions(tmp_path, allowed=[], window_s=0.0)
    assert facts["governor"].value is None
    assert all(fact.note for fact in facts.values() if fact.value is None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs Linux: there are no FIFOs")
def test_a_fifo_in_place_of_a_file_does_not_hang(tmp_path):
    (tmp_path / "proc").mkdir()
    os.mkfifo(tmp_path / "proc/loadavg")
    start = time.monotonic()
    facts = read_conditions(tmp_path, window_s=0.0)
    assert facts["load_5m"].value is None
    assert time.monotonic() - start < 5


def test_folders_in_place_of_files_are_absent_files(tmp_path):
    (tmp_path / "proc/stat").mkdir(parents=True)
    assert read_text(tmp_path / "proc/stat") is None
    assert read_conditions(tmp_path, window_s=0.0)["steal_s"].value is None


STAT = "cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 {busy} 0 0 {idle} 0 0 0 {steal} 0 0"


def test_steal_is_a_share_of_the_time_that_was_wanted():
    facts = facts_of({"files": {"/proc/stat": STAT.format(busy=900, idle=10**6, steal=100)}})
    assert facts["steal_share"].value == pytest.approx(0.1)
    assert facts["steal_s"].value == pytest.approx(1.0)


def test_work_of_others_is_seen_between_two_looks():
    first, later = STAT.format(busy=100, idle=100, steal=0), STAT.format(busy=105, idle=105, steal=0)
    siblings = {"/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,4"}
    facts = facts_of({"files": {"/proc/stat": first} | siblings, "stat_later": later})
    assert facts["other_load"].value == pytest.approx(0.5)
    assert facts["sibling_busy"].value == pytest.approx(0.5)
    backwards = facts_of({"files": {"/proc/stat": later} | siblings, "stat_later": first})
    assert backwards["other_load"].value is None


@pytest.mark.parametrize(
    ("path", "text", "turbo"),
    [
        ("intel_pstate/no_turbo", "1", "off"),
        ("intel_pstate/no_turbo", "0", "on"),
        ("cpufreq/boost", "1", "on"),
        ("cpufreq/boost", "0", "off"),
    ],
)
def test_turbo(path, text, turbo):
    assert facts_of({"files": {f"/sys/devices/system/cpu/{path}": text}})["turbo"].value == turbo


def test_governors_that_differ_are_all_named():
    folder = "/sys/devices/system/cpu/cpufreq"
    files = {f"{folder}/policy0/scaling_governor": "powersave", f"{folder}/policy4/scaling_governor": "performance"}
    assert facts_of({"files": files})["governor"].value == "performance, powersave"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"/sys/hypervisor/type": "xen"}, "xen"),
        ({"/proc/cpuinfo": "flags\t: fpu hypervisor", "/sys/class/dmi/id/sys_vendor": "QEMU"}, "qemu"),
        ({"/proc/cpuinfo": "flags\t: fpu hypervisor"}, "unknown hypervisor"),
        ({"/proc/cpuinfo": "flags\t: fpu", "/sys/class/dmi/id/sys_vendor": "Amazon EC2"}, "none seen"),
        ({"/sys/class/dmi/id/sys_vendor": "Amazon EC2", "/sys/class/dmi/id/product_name": "m7g.large"}, "kvm (amazon ec2)"),
        ({"/proc/cpuinfo": "flags\t: fpu"}, "none seen"),
        ({}, None),
    ],
)
def test_hypervisors_by_their_signs(files, name):
    assert facts_of({"files": files})["hypervisor"].value == name


def test_a_metal_instance_is_no_guest():
    files = {"/sys/class/dmi/id/sys_vendor": "Amazon EC2", "/sys/class/dmi/id/product_name": "c7g.metal"}
    assert facts_of({"files": files})["hypervisor"].value == "none seen"


def test_containers_by_their_signs(tmp_path):
    plant(
        tmp_path,
        {
            "/run/.containerenv": "",
            "/proc/1/cgroup": "0::/kubepods/pod1\n",
            "/proc/version": "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016",
        },
    )
    found = str(value(tmp_path, "container"))
    assert found.startswith("gvisor")
    assert "podman" in found
    assert "kubernetes" in found


def test_the_builder_of_the_kernel_is_not_kept(tmp_path):
    plant(tmp_path, {"/proc/version": "Linux version 6.8 (jane@desk.example) (gcc 13.2) #1 SMP"})
    assert read_state(tmp_path, window_s=0.0)["files"]["/proc/version"] == "Linux version 6.8 (gcc 13.2) #1 SMP"


def test_overrides_are_those_that_change_libraries():
    found = read_overrides(
        {"OMP_NUM_THREADS": "4", "HOME": "/x", "MKL_DEBUG_CPU_TYPE": "5", "LD_PRELOAD": "a.so", "PATH": "y", "MKL_LICENSE_KEY": "abc"}
    )
    assert found == {"LD_PRELOAD": "a.so", "MKL_DEBUG_CPU_TYPE": "5", "MKL_LICENSE_KEY": "(set, not kept)", "OMP_NUM_THREADS": "4"}


def test_conditions_here_can_be_kept_and_read_again():
    state = read_state(window_s=0.01)
    assert facts_of(json.loads(json.dumps(state))) == facts_of(state)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,8", (0, 1, 2, 3, 8)),
        ("", ()),
        (None, ()),
        ("3-1", ()),
        ("a", ()),
        ("-1", ()),
        ("0-99999999", ()),
        ("5\n", (5,)),
        ("0,2-3,\n", (0, 2, 3)),
    ],
)
def test_cpu_lists(text, cpus):
    assert cpu_list(text) == cpus
    assert cpu_list(cpu_list_text(cpus)) == cpus


def test_whole_numbers_and_keyed_numbers():
    assert whole_number(" 42\n") == 42
    assert whole_number("4.2") is None
    assert whole_number("9" * 30) is None
    assert whole_number(None) is None
    assert keyed_numbers("a 1\nb x\nc\nd 2 3\ne -4") == {"a": 1, "e": -4}
