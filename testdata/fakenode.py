#!/usr/bin/env python3
"""Writes a folder that stands for a node of any size, for `collect --root DIR`.

    fakenode.py --processes 5000 --cgroups 2000 DIR

Files are real ones of a Debian 12 node (kernel 6.1, cgroup v2), with numbers put in; the same arguments give the same node.
"""
import argparse
import os
import random

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--processes", type=int, default=200)
parser.add_argument("--cgroups", type=int, default=50)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("folder")
arguments = parser.parse_args()
rng = random.Random(arguments.seed)
root = arguments.folder.rstrip("/")


def write(path, text):
    path = f"{root}/{path}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def link(path, target):
    path = f"{root}/{path}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def uid(number):
    return f"{number:08x}-0000-4000-8000-{number:012x}"


# The tree of groups: pods of two containers each below kubepods, a few services.
groups = ["", "system.slice", "system.slice/kubelet.service", "system.slice/containerd.service",
          "kubepods.slice", "kubepods.slice/kubepods-burstable.slice"]
containers = []
pod = 0
while len(groups) < arguments.cgroups:
    flat = uid(pod).replace("-", "_")
    slice_ = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{flat}.slice"
    groups.append(slice_)
    for container in range(2):
        if len(groups) < arguments.cgroups:
            groups.append(f"{slice_}/cri-containerd-{pod:032x}{container:032x}.scope")
            containers.append(groups[-1])
    pod += 1

MEMORY_STAT = """anon {anon}
file {file}
kernel {kernel}
kernel_stack 163840
pagetables 2859008
sec_pagetables 0
percpu 1104
sock 0
vmalloc 0
shmem 0
zswap 0
zswapped 0
file_mapped 0
file_dirty 0
file_writeback 0
swapcached 0
anon_thp 0
file_thp 0
shmem_thp 0
inactive_anon {anon}
active_anon 4096
inactive_file {inactive}
active_file 0
unevictable 0
slab_reclaimable 368640
slab_unreclaimable 119296
slab 487936
workingset_refault_anon 0
workingset_refault_file 0
pgscan 0
pgsteal 0
pgfault 23760
pgmajfault 12
"""
for number, group in enumerate(groups):
    at = f"sys/fs/cgroup/{group}".rstrip("/")
    anon = rng.randrange(1 << 20, 1 << 28)
    file = rng.randrange(1 << 20, 1 << 28)
    usage = rng.randrange(10**6, 10**10)
    periods = rng.randrange(1000, 100000)
    write(f"{at}/cpu.stat", f"usage_usec {usage}\nuser_usec {usage // 2}\nsystem_usec {usage - usage // 2}\n"
          f"nr_periods {periods}\nnr_throttled {periods // 50}\nthrottled_usec {periods * 30}\nnr_bursts 0\nburst_usec 0\n")
    write(f"{at}/memory.stat", MEMORY_STAT.format(anon=anon, file=file, kernel=1 << 20, inactive=file // 2))
    write(f"{at}/cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n")
    write(f"{at}/cgroup.controllers", "cpuset cpu io memory pids\n")
    write(f"{at}/cgroup.procs", "")
    for resource in ("cpu", "memory", "io"):
        stalled = rng.randrange(10**6)
        write(f"{at}/{resource}.pressure", f"some avg10=0.00 avg60=0.00 avg300=0.00 total={stalled}\n"
              f"full avg10=0.00 avg60=0.00 avg300=0.00 total={stalled // 2}\n")
    write(f"{at}/io.stat", f"8:0 rbytes={anon} wbytes={file} rios=100 wios=200 dbytes=0 dios=0\n")
    if not group:
        continue
    write(f"{at}/memory.current", f"{anon + file}\n")
    write(f"{at}/memory.max", f"{1 << 29}\n" if group in containers else "max\n")
    write(f"{at}/memory.peak", f"{anon + file + 4096}\n")
    write(f"{at}/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n")
    write(f"{at}/memory.swap.current", "0\n")
    write(f"{at}/cpu.max", "50000 100000\n" if group in containers else "max 100000\n")
    write(f"{at}/cpu.weight", "20\n")
    write(f"{at}/pids.current", "5\n")
    write(f"{at}/pids.max", "1024\n" if group in containers else "max\n")
    write(f"{at}/pids.events", "max 0\n")
    write(f"{at}/cgroup.events", "populated 1\nfrozen 0\n")

LIMITS = """Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max processes             94120                94120                processes 
Max open files            1048576              1048576              files     
Max locked memory         8388608              8388608              bytes     
"""
STATUS = """Name:\t{comm}
Umask:\t0022
State:\tS (sleeping)
Tgid:\t{pid}
Ngid:\t0
Pid:\t{pid}
PPid:\t1
TracerPid:\t0
Uid:\t1000\t1000\t1000\t1000
Gid:\t1000\t1000\t1000\t1000
FDSize:\t64
NStgid:\t{pid}\t1
VmPeak:\t  712345 kB
VmSize:\t  712345 kB
VmRSS:\t   {rss} kB
VmSwap:\t       0 kB
Threads:\t1
CapEff:\t0000000000000000
Seccomp:\t2
Cpus_allowed_list:\t0-63
voluntary_ctxt_switches:\t4711
nonvoluntary_ctxt_switches:\t12
"""
members = {}
for number in range(arguments.processes):
    pid = 1 if number == 0 else 1000 + number
    comm = "systemd" if pid == 1 else rng.choice(["java", "nginx", "node", "python3", "envoy", "app-server"])
    group = containers[number % len(containers)] if containers and pid > 1 else "init.scope"
    members.setdefault(group, []).append(pid)
    at = f"proc/{pid}"
    rss = rng.randrange(500, 60000)
    blocked = number % 1000 == 999
    state = "D" if blocked else "S"
    stat = (f"{pid} ({comm}) {state} 1 {pid} {pid} 0 -1 4194560 {rng.randrange(10**5)} 0 12 0 {rng.randrange(10**4)} "
            f"{rng.randrange(10**4)} 0 0 20 0 1 0 {10000 + number} 729441280 {rss} 18446744073709551615 1 1 0 0 0 0 0 4096 "
            f"17663 0 0 0 17 {number % 64} 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
    write(f"{at}/stat", stat)
    write(f"{at}/status", STATUS.format(comm=comm, pid=pid, rss=rss * 4))
    write(f"{at}/statm", f"178086 {rss} 3000 1 0 20000 0\n")
    write(f"{at}/cgroup", f"0::/{group}\n")
    write(f"{at}/wchan", "ep_poll" if not blocked else "request_wait_answer")
    write(f"{at}/io", "rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\nread_bytes: 8192\nwrite_bytes: 323932160\ncancelled_write_bytes: 0\n")
    write(f"{at}/schedstat", f"{rng.randrange(10**9)} {rng.randrange(10**8)} {rng.randrange(10**5)}\n")
    write(f"{at}/oom_score", "800\n")
    write(f"{at}/oom_score_adj", "985\n")
    write(f"{at}/limits", LIMITS)
    write(f"{at}/cmdline", f"/usr/bin/{comm}\0--config=/etc/app/config.yaml\0--port={8000 + number % 1000}\0")
    write(f"{at}/smaps_rollup", f"Rss:               {rss * 4} kB\nPss:               {rss * 2} kB\n")
    link(f"{at}/exe", f"/usr/bin/{comm}")
    link(f"{at}/ns/net", f"net:[{4026531840 + (number % max(1, pod) if pid > 1 else 0)}]")
    link(f"{at}/ns/pid", f"pid:[{4026531836 + number}]")
    link(f"{at}/ns/mnt", f"mnt:[{4026531841 + number}]")
    for descriptor, target in enumerate(["/dev/null", "pipe:[12345]", "pipe:[12346]", "anon_inode:[eventpoll]", f"socket:[{20000 + number}]"]):
        link(f"{at}/fd/{descriptor}", target)
    write(f"{at}/task/{pid}/stat", stat)
    if blocked:
        write(f"{at}/task/{pid}/stack", "[<0>] request_wait_answer+0x12e/0x210\n[<0>] fuse_simple_request+0x1a6/0x300\n[<0>] fuse_statfs+0xdb/0x130\n")
        write(f"{at}/task/{pid}/wchan", "request_wait_answer")
        write(f"{at}/task/{pid}/syscall", "137 0x7f 0x7f 0x0 0x0 0x0 0x0 0x7f 0x7f\n")
for group, pids in members.items():
    write(f"sys/fs/cgroup/{group}/cgroup.procs", "".join(f"{pid}\n" for pid in pids))

NET_DEV = ("Inter-|   Receive                                                |  Transmit\n"
           " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
           "    lo: 1296 16 0 0 0 0 0 0 1296 16 0 0 0 0 0 0\n  eth0: 98765 432 0 0 0 0 0 0 12345 321 0 0 0 0 0 0\n")
write("proc/net/dev", NET_DEV)
write("proc/1/net/dev", NET_DEV)
write("proc/1/net/snmp", "Tcp: RtoAlgorithm RetransSegs\nTcp: 1 99\n")
write("proc/1/net/netstat", "TcpExt: ListenOverflows ListenDrops\nTcpExt: 0 0\n")
write("proc/1/net/sockstat", "sockets: used 163\nTCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1\n")
write("proc/1/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n")
cpu = "1000000 2000 300000 90000000 5000 0 6000 0 0 0"
write("proc/stat", f"cpu  {cpu}\n" + "".join(f"cpu{n} {cpu}\n" for n in range(64))
      + "intr 12345\nctxt 987654321\nbtime 1795000000\nprocesses 123456\nprocs_running 3\nprocs_blocked 0\n")
write("proc/meminfo", "MemTotal:       263842304 kB\nMemFree:        13842304 kB\nMemAvailable:   183842304 kB\nBuffers:          842304 kB\n"
      "Cached:         93842304 kB\nAnonPages:      73842304 kB\nSlab:            8423040 kB\nSReclaimable:    6423040 kB\nSUnreclaim:      2000000 kB\n")
write("proc/vmstat", "nr_free_pages 3460576\noom_kill 0\npgmajfault 1234\nallocstall_normal 0\n")
write("proc/diskstats", "   8       0 sda 123456 100 9876543 54321 654321 200 87654321 654321 0 123456 708642 0 0 0 0\n")
write("proc/loadavg", f"3.10 2.90 2.50 3/{arguments.processes} {arguments.processes + 1000}\n")
write("proc/uptime", "123456.78 7654321.00\n")
for resource in ("cpu", "memory", "io"):
    write(f"proc/pressure/{resource}", "some avg10=1.00 avg60=0.50 avg300=0.20 total=123456789\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12345678\n")
write("proc/cgroups", f"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t{len(groups)}\t1\nmemory\t0\t{len(groups)}\t1\n")
write("proc/sys/kernel/pid_max", "4194304\n")
write("proc/sys/kernel/threads-max", "2061000\n")
write("proc/sys/fs/file-nr", "12345\t0\t9223372036854775807\n")
write("etc/hostname", "fakenode\n")
write("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
print(f"{root}: {arguments.processes} processes, {len(groups)} cgroups")
