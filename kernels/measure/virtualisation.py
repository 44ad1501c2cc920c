"""Tell hypervisors and containers by the signs that they leave; a sign that is missing proves nothing, and the Fact says so.

Sources: systemd src/basic/virt.c (CPUID signatures, names in DMI, bare-metal instances of EC2); gVisor pkg/sentry/syscalls/linux
(the kernel version that it shows to every program). An unknown signature is shown as it is.
"""

from __future__ import annotations

from ...configs.facts import Fact, Scalar, reported, unknown

_SIGNATURES = {
    "KVMKVMKVM": "kvm",
    "Linux KVM Hv": "kvm",
    "Microsoft Hv": "hyper-v",
    "VMwareVMware": "vmware",
    "XenVMMXenVMM": "xen",
    "TCGTCGTCGTCG": "qemu-tcg",
    "bhyve bhyve": "bhyve",
    "ACRNACRNACRN": "acrn",
    "QNXQVMBSQG": "qnx",
    "SRESRESRESRE": "sre",
    "Apple VZ": "apple",
}
_DMI = {
    "Amazon EC2": "kvm (amazon ec2)",
    "Google Compute Engine": "kvm (google)",
    "KVM": "kvm",
    "QEMU": "qemu",
    "VMware": "vmware",
    "VMW": "vmware",
    "innotek GmbH": "virtualbox",
    "VirtualBox": "virtualbox",
    "Xen": "xen",
    "Bochs": "bochs",
    "Parallels": "parallels",
    "BHYVE": "bhyve",
    "Hyper-V": "hyper-v",
    "OpenStack": "kvm (openstack)",
    "KubeVirt": "kvm (kubevirt)",
    "Apple Virtualization": "apple",
}
# gVisor answers every program with this build of this kernel, whatever runs below.
_GVISOR_BUILD = "#1 SMP Sun Jan 10 15:06:54 PST 2016"


def hypervisor_name(files: dict[str, str], signature: str, system: str) -> Fact[Scalar]:
    """Under which hypervisor this system runs: by CPUID signature, /sys/hypervisor, DMI, or the flag alone; `none seen` without signs."""
    signature = signature.strip("\0 ")
    if signature:
        return reported(_SIGNATURES.get(signature, signature), "", "cpuid.40000000", f"signature '{signature}'")
    for path in ("/sys/hypervisor/type", "/proc/device-tree/hypervisor/compatible"):
        if files.get(path):
            return reported(files[path].split(",")[-1], "", path)
    # A bare-metal instance carries the cloud's name in DMI too, so on x86 the flag has to agree.
    flagged = _has_flag(files.get("/proc/cpuinfo", ""))
    metal = ".metal" in files.get("/sys/class/dmi/id/product_name", "")
    for path in ("/sys/class/dmi/id/product_name", "/sys/class/dmi/id/sys_vendor"):
        for word, name in _DMI.items():
            if files.get(path, "").startswith(word) and flagged is not False and not metal:
                return reported(name, "", path)
    if flagged:
        return reported("unknown hypervisor", "", "/proc/cpuinfo", "the hypervisor flag is set and nothing names it")
    if flagged is None and not any(path.startswith(("/sys/class/dmi", "/proc/cpuinfo")) for path in files):
        return unknown("", "conditions", f"nothing that would show a hypervisor can be read{f' on {system}' if system else ''}")
    return reported("none seen", "", "/proc/cpuinfo" if flagged is False else "dmi", "a hypervisor may hide itself")


def _has_flag(cpuinfo: str) -> bool | None:
    """Whether x86 flags name a hypervisor; None where there are no x86 flags."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return "hypervisor" in value.split()
    return None


def container_name(signs: list[str], files: dict[str, str]) -> Fact[Scalar]:
    """In what container this process runs, every sign in brackets after its word; `none seen` without signs."""
    words = [str(sign) for sign in signs]
    version = files.get("/proc/version", "")
    if "gvisor" in version.lower() or _GVISOR_BUILD in version:
        words.insert(0, "gvisor (/proc/version)")
    if "microsoft" in version.lower():
        words.insert(0, "wsl (/proc/version)")
    if words:
        return reported(", ".join(dict.fromkeys(words)), "", "signs")
    if not files:
        return unknown("", "signs", "nothing that would show a container can be read")
    return reported("none seen", "", "signs", "a container may leave no sign")
