#!/usr/bin/env python3
"""Measures and prints the tables of docs/benchmarks.md. Nothing here decides a test.

    make bench        (needs gcc, zstd, tar; with Debian's package sosreport also the comparison with it)
"""
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
COLLECT, ANALYZE = f"{TOP}/dist/collect", f"{TOP}/dist/analyze"
RUNS = 3
SLEEPERS = 3000
SIZES = [(200, 50), (5000, 2000), (20000, 10000)]


def run(command, stdin=None, shell=False):
    """CPU seconds, wall seconds and peak resident MiB of a command, children included: the smallest of several runs."""
    best = None
    for _ in range(RUNS):
        began = time.monotonic()
        with open(stdin or os.devnull) as source:
            child = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, shell=shell)
            _, _, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        figures = (usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)
        best = figures if best is None or figures[0] < best[0] else best
    return best


def list_reads(bundle, root, output):
    """Writes the reads of a bundle as lines for `bare`."""
    letters = {"file": "f", "link": "l", "listing": "d"}
    text = subprocess.Popen(f"zstd -dc {bundle} | tar -xO --wildcards '*/index/*.jsonl'", shell=True, stdout=subprocess.PIPE).stdout
    with open(output, "w") as file:
        for record in map(json.loads, text):
            kind = record.get("kind", "file")
            if record["path"].startswith("root/") and kind in letters and "sha256" in record:
                file.write(f"{letters[kind]} {root}{record['path'][4:]}\n")


def live(work, bare):
    """The collector beside the bare loop on this machine's own kernel, with processes that sleep."""
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(SLEEPERS)]
    bundle, reads = f"{work}/live.tar.zst", f"{work}/live.reads"
    cpu, _, memory = run(f"rm -f {bundle}; exec {COLLECT} --window 0 --deadline 600 -q -o {bundle}", shell=True)
    list_reads(bundle, "", reads)
    with open(reads) as lines:
        count = sum(1 for _ in lines)
    bare_cpu, _, _ = run([bare], stdin=reads)
    packing = run(f"zstd -dc {bundle} | zstd -3 -c", shell=True)[0] - run(f"zstd -dc {bundle}", shell=True)[0]
    for sleeper in sleepers:
        sleeper.kill()
    print(f"| this kernel, {SLEEPERS:,} processes more | {count:,} | {cpu:.2f} s | {packing:.2f} s | {bare_cpu:.2f} s | {(cpu - packing) / bare_cpu:.1f} | {memory:.0f} MiB | {os.path.getsize(bundle) / 2**20:.1f} MiB |")


def main():
    work = tempfile.mkdtemp(prefix="freezeframe-bench-")
    bare = f"{work}/bare"
    subprocess.run(["gcc", "-O2", "-o", bare, f"{HERE}/bare.c"], check=True)
    print("| processes / cgroups | reads | collect CPU | of it compressing | bare loop CPU | ratio without compressing | peak memory | bundle |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    analysis = []
    for processes, cgroups in SIZES:
        root, bundle = f"{work}/node", f"{work}/node.tar.zst"
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run([sys.executable, f"{TOP}/testdata/fakenode.py", "--processes", str(processes), "--cgroups", str(cgroups), root],
                       check=True, stdout=subprocess.DEVNULL)
        command = f"rm -f {bundle}; exec {COLLECT} --window 0 --deadline 600 -q --root {root} -o {bundle}"
        cpu, _, memory = run(command, shell=True)
        list_reads(bundle, root, f"{work}/list")
        with open(f"{work}/list") as file:
            reads = sum(1 for _ in file)
        bare_cpu, _, _ = run([bare], stdin=f"{work}/list")
        subprocess.run(f"zstd -dc {bundle} > {work}/plain.tar", shell=True)
        zstd_cpu, _, _ = run(["zstd", "-3", "--single-thread", "-qfc", f"{work}/plain.tar"])
        ratio = (cpu - zstd_cpu) / bare_cpu if bare_cpu else 0
        size = os.path.getsize(bundle) / (1 << 20)
        print(f"| {processes:,} / {cgroups:,} | {reads:,} | {cpu:.2f} s | {zstd_cpu:.2f} s | {bare_cpu:.2f} s | {ratio:.1f} | {memory:.0f} MiB | {size:.1f} MiB |", flush=True)
        find_cpu, find_wall, find_memory = run([ANALYZE, "findings", bundle])
        _, list_wall, _ = run(f"zstd -dc {bundle} | tar -t", shell=True)
        analysis.append((processes, cgroups, find_wall, find_cpu, find_memory, list_wall))
    live(work, bare)
    print("\n| processes / cgroups | `analyze findings` wall | CPU | peak memory | `zstd -dc \\| tar -t` wall | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for processes, cgroups, wall, cpu, memory, list_wall in analysis:
        print(f"| {processes:,} / {cgroups:,} | {wall:.2f} s | {cpu:.2f} s | {memory:.0f} MiB | {list_wall:.2f} s | {wall / list_wall:.1f} |")
    print("\n| this machine | wall | CPU | peak memory | result |")
    print("| --- | --- | --- | --- | --- |")
    bundle = f"{work}/live.tar.zst"
    for window in (0, 10):
        cpu, wall, memory = run(f"rm -f {bundle}; exec {COLLECT} --window {window} -q -o {bundle}", shell=True)
        print(f"| `collect --window {window}` | {wall:.1f} s | {cpu:.2f} s | {memory:.0f} MiB | {os.path.getsize(bundle) / 1024:.0f} KiB |", flush=True)
    if shutil.which("sos"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        subprocess.run(["sos", "report", "--batch", "--tmp-dir", work], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # its largest child is not known apart from ours
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        archives = [f for f in os.listdir(work) if f.startswith("sosreport") and f.endswith((".xz", ".gz"))]
        size = f"{os.path.getsize(f'{work}/{archives[0]}') / 1024:.0f} KiB" if archives else "no archive"
        print(f"| `sos report --batch` | {time.monotonic() - began:.1f} s | {cpu:.2f} s | | {size} |")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
