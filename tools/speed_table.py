#!/usr/bin/env python3
"""Print the README's table of speeds: `genred bench` for each engine on one thread, and for the widest one on two.

    cargo build --release && tools/speed_table.py [--repeat 9] [--problem ID ...]

A cell is the time of a pair in nanoseconds and, in brackets, the speed as a part of that of the kernel written by hand for the
same width and the same number of threads, measured in the same run. The last column is how many times faster two threads are, of the
best of three runs of either: systems may keep both threads of a process on one core.
"""
import argparse
import json
import subprocess
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--genred", default=str(Path(__file__).resolve().parents[1] / "target/release/genred"))
parser.add_argument("--repeat", type=int, default=9)
parser.add_argument("--problem", action="append", default=[], help="this one only; may be given several times")
options = parser.parse_args()


def bench(engine, threads):
    # It takes some milliseconds until systems run two threads on two cores.
    repeat = options.repeat if threads == 1 else 5 * options.repeat
    command = [options.genred, "bench", "--engine", engine, "--threads", str(threads), "--repeat", str(repeat), "--json"]
    for problem in options.problem:
        command += ["--problem", problem]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {(row["problem"], row["dtype"]): row for row in map(json.loads, lines)}


runs = [bench("avx512", 1), bench("avx2", 1), bench("clif", 1)]
one = [runs[0], bench("avx512", 1), bench("avx512", 1)]
two = [bench("avx512", 2) for _ in range(3)]


def cell(row, with_ratio=True):
    ratio = row["ratio"] if with_ratio else None
    return f"{row['ns_a_pair']:.3f}" + (f" ({ratio:.2f})" if ratio else "")


print("| problem | dtype | avx512 | avx2 | clif | two threads |")
print("|---|---|---|---|---|---|")
for key, widest in runs[0].items():
    problem, dtype = key
    cells = [cell(widest), cell(runs[1][key]), cell(runs[2][key], with_ratio=False)]
    faster = min(run[key]["seconds"] for run in one) / min(run[key]["seconds"] for run in two)
    print(f"| {problem} | {dtype} | {' | '.join(cells)} | {faster:.2f}x |")
