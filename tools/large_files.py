#!/usr/bin/env python3
"""Reduce .npy files that are larger than the memory allowed, and show what memory that took.

Writes a file of --gib GiB of float32 points and one of a few points to a temporary folder, reduces them under --memory with the
large file as rows and then as columns, prints the peak of resident memory as the system counted it (wait4), and compares results
bit for bit with calls in memory: of a sample of rows, and of all columns. The folder is removed at the end.

    cargo build --release && tools/large_files.py
"""
import argparse
import array
import json
import os
import random
import subprocess
import sys
import tempfile

DIM = 8
FEW = 16
SAMPLE = 1000
ROW = 4 * DIM


def header(rows):
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, DIM)
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def points(rows, seed):
    numbers = random.Random(seed)
    return array.array("f", (numbers.random() for _ in range(rows * DIM))).tobytes()


def write(path, rows):
    """Rows that repeat no sooner than a block: blocks are one set of points, rotated by another number of bytes each."""
    block = points(1 << 16, rows)
    with open(path, "wb") as file:
        file.write(header(rows))
        left = rows * ROW
        turn = 0
        while left > 0:
            turned = block[turn:] + block[:turn]
            file.write(turned[:left])
            left -= min(left, len(turned))
            turn = (turn + 4 * 9973) % len(block)


def sample(path, rows):
    """Numbers of some rows, and their bytes."""
    chosen = sorted(random.Random(1).sample(range(rows), SAMPLE))
    with open(path, "rb") as file:
        start = len(header(rows))
        taken = bytearray()
        for row in chosen:
            file.seek(start + row * ROW)
            taken += file.read(ROW)
    return chosen, bytes(taken)


def reduce(genred, folder, x, y, out, *more):
    """Run the tool; gives its statistics and the peak of its resident memory in bytes."""
    command = [genred, "reduce", "Sum", "Exp(-SqDist(x, y))", "a = Vi(1)"]
    command += ["x = Vi(%d)" % DIM, "y = Vj(%d)" % DIM, "--in", x, "--in", y, "--out", out]
    command += ["--stats", "json", *more]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit("genred failed: %s" % " ".join(command))
    return json.loads(printed), usage.ru_maxrss * 1024


def results(path, rows):
    """Bytes of some results. All of them would count: what this program had in memory is in its children's peak."""
    with open(path, "rb") as file:
        taken = []
        for row in rows:
            file.seek(128 + 4 * row)
            taken.append(file.read(4))
    return taken


def show(name, stats, peak):
    memory = stats.get("memory") or {}
    print(
        "%-28s %7.1f s  %4d passes  peak %4d MiB resident"
        % (name, stats["run_s"], memory.get("passes", 1), peak >> 20),
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--genred", default="target/release/genred")
    parser.add_argument("--gib", type=float, default=4.0)
    parser.add_argument("--memory", default="256M")
    parser.add_argument("--below", type=int, default=400, help="MiB that the peak must stay below")
    given = parser.parse_args()
    genred = os.path.abspath(given.genred)
    rows = int(given.gib * (1 << 30)) // ROW
    with tempfile.TemporaryDirectory(prefix="genred-large-") as folder:
        path = lambda name: os.path.join(folder, name)
        write(path("large.npy"), rows)
        with open(path("few.npy"), "wb") as file:
            file.write(header(FEW) + points(FEW, 2))
        chosen, taken = sample(path("large.npy"), rows)
        with open(path("sample.npy"), "wb") as file:
            file.write(header(SAMPLE) + taken)
        size = os.path.getsize(path("large.npy"))
        print("large.npy: %d x %d float32, %.2f GiB; --memory %s" % (rows, DIM, size / 2**30, given.memory))

        memory = ("--memory", given.memory)
        stats, peak = reduce(genred, folder, "large.npy", "few.npy", "a.npy", *memory)
        show("rows from the large file", stats, peak)
        peaks = [peak]
        reduce(genred, folder, "sample.npy", "few.npy", "b.npy")
        if results(path("a.npy"), chosen) != results(path("b.npy"), range(SAMPLE)):
            sys.exit("results of sampled rows differ")
        print("  %d sampled rows computed in memory: same bits" % SAMPLE)

        stats, peak = reduce(genred, folder, "few.npy", "large.npy", "a.npy", *memory)
        show("columns from the large file", stats, peak)
        peaks.append(peak)
        stats, peak = reduce(genred, folder, "few.npy", "large.npy", "b.npy")
        if results(path("a.npy"), range(FEW)) != results(path("b.npy"), range(FEW)):
            sys.exit("results over all columns differ")
        show("  the same, without --memory", stats, peak)
        print("  all %d results: same bits" % FEW)
    if max(peaks) >= given.below << 20:
        sys.exit("the peak is not below %d MiB" % given.below)


main()
