#!/usr/bin/env python3
"""What a fault costs the collector, beside sos: prints the tables of docs/benchmarks.md. Needs root, FUSE, and Debian's sosreport.

    make bench-faults
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
COLLECT = f"{TOP}/dist/collect"
HANGFS = f"{TOP}/collect/tests/fake/hangfs.py"
DEADLINE = 20
SOS_PATIENCE = 120


def index(bundle):
    """Outcomes of all reads of a bundle, whatever became of it."""
    text = subprocess.run(f"zstd -dcq {bundle} 2>/dev/null | tar -xO --wildcards '*/index/*.jsonl' 2>/dev/null", shell=True, stdout=subprocess.PIPE).stdout
    counts = {}
    for line in text.splitlines():
        outcome = json.loads(line)["outcome"]["is"]
        counts[outcome] = counts.get(outcome, 0) + 1
    return counts


class Dead:
    """A mount that never answers."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.server = subprocess.Popen([sys.executable, HANGFS, folder], stdout=subprocess.PIPE, text=True)
        while "ready" not in self.server.stdout.readline():
            pass

    def end(self):
        self.server.kill()
        self.server.wait()
        subprocess.run(["umount", "-l", self.folder], check=False)


def collect(work, name, arguments, output, dead=None):
    began = time.monotonic()
    child = subprocess.run([COLLECT, "--window", "2", "--deadline", str(DEADLINE), "-q", "-o", output, *arguments], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, cwd=work)
    wall = time.monotonic() - began
    if dead:
        # Whoever looked at its folder before would wait for ever.
        dead.end()
    path = output if os.path.exists(output) else output + ".partial"
    counts = index(path) if os.path.isfile(path) else {}
    whole = counts.get("complete", 0)
    lost = counts.get("timed_out", 0)
    skipped = counts.get("skipped", 0)
    print(f"| {name} | {wall:.1f} s | {child.returncode} | {whole} | {lost} | {skipped} |")


def sos(name, folder, prepare=None):
    """Runs sos with time-outs of its own; it may not come back."""
    began = time.monotonic()
    command = ["sos", "report", "--batch", "-q", "--tmp-dir", folder, "-o", "filesys,process,memory", "--plugin-timeout", "25"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        child.wait(SOS_PATIENCE)
        result = f"exit {child.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        result = "killed"
    wall = time.monotonic() - began
    archives = [n for n in os.listdir(folder) if ".tar" in n and subprocess.run(["tar", "-tf", f"{folder}/{n}"], capture_output=True, check=False).returncode == 0]
    print(f"| `sos report`: {name} | {wall:.1f} s | {result} | {'an archive' if archives else 'no archive'} |")


def main():
    work = tempfile.mkdtemp(prefix="freezeframe-faults-")
    print("| `collect`, window 2 s, deadline 20 s | back after | exit | reads complete | timed out | left alone |")
    print("| --- | --- | --- | --- | --- | --- |")
    collect(work, "nothing is wrong", [], f"{work}/healthy.tar.zst")

    root = f"{work}/root"
    subprocess.run([sys.executable, f"{TOP}/testdata/fakenode.py", "--processes", "200", "--cgroups", "50", root], check=True, stdout=subprocess.DEVNULL)
    dead = Dead(f"{root}/var/log")
    collect(work, "a mount under /var/log that never answers", ["--root", root], f"{work}/dead.tar.zst", dead)
    dead = Dead(f"{root}/sys/block")
    collect(work, "a mount at /sys/block that never answers", ["--root", root], f"{work}/block.tar.zst", dead)
    dead = Dead(f"{work}/output")
    collect(work, "the bundle's own file system never answers", ["--root", root], f"{work}/output/x.tar.zst", dead)
    small = f"{work}/small"
    os.makedirs(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", small], check=True)
    collect(work, "160 KiB of room for a bundle that needs more", ["--root", root], f"{small}/x.tar.zst")
    subprocess.run(["umount", small], check=True)

    if shutil.which("sos"):
        print("\n| the same, for sos | back after | result | left behind |")
        print("| --- | --- | --- | --- |")
        os.makedirs(f"{work}/sos")
        sos("nothing is wrong", f"{work}/sos")
        shutil.rmtree(f"{work}/sos")
        os.makedirs(f"{work}/sos")
        dead = Dead(f"{work}/mnt")
        sos(f"a mount that never answers, its plugin time-out 25 s, killed at {SOS_PATIENCE} s", f"{work}/sos")
        dead.end()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
        sos("1 MiB of room", small)
        subprocess.run(["umount", "-l", small], check=True)
    shutil.rmtree(work, ignore_errors=True)


main()
