#!/usr/bin/env python3
"""genred beside its peers: the same .npy inputs, one run, one table, one plot.

    python3 -m venv .venv && .venv/bin/pip install -r benches/compare/requirements.txt
    cargo build --release && .venv/bin/python benches/compare/compare.py [--threads 1] [--svg FILE] [problem ...]

Each cell is the median time of a pair in nanoseconds over --repeat calls after a first one that is not counted (compilation,
page faults); in brackets how many times longer than genred's. A peer that cannot express a problem is left out. NumPy works in
chunks of rows, so that the matrix of a chunk takes about --chunk megabytes; NumPy and JAX expand squared distances, so that
BLAS does the work.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("problems", nargs="*", help="parts of problem names; all if none is given")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repeat", type=int, default=7)
parser.add_argument("--chunk", type=int, default=1, help="megabytes of a chunk of NumPy and JAX: about a cache")
parser.add_argument("--genred", default=str(Path(__file__).resolve().parents[2] / "target/release/genred"))
parser.add_argument("--svg", help="write the plot here")
parser.add_argument("--table", help="plot a table that was printed before instead of timing anything")
options = parser.parse_args()

# Thread counts are read when the libraries load.
for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"]:
    os.environ[variable] = str(options.threads)
os.environ["XLA_FLAGS"] = (
    f"--xla_cpu_multi_thread_eigen={'true' if options.threads > 1 else 'false'} intra_op_parallelism_threads={options.threads}"
)
if options.threads == 1 and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})

import numpy as np  # noqa: E402


def optional(name):
    try:
        return __import__(name)
    except ImportError as error:
        print(f"# {name} is left out: {error}", file=sys.stderr)
        return None


sklearn, faiss, jax, numba = map(optional, ["sklearn", "faiss", "jax", "numba"])
if jax:
    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
if faiss:
    faiss.omp_set_num_threads(options.threads)
try:
    import pykeops.numpy as keops
except Exception as error:  # its start-up probes compilers and may fail in many ways
    print(f"# pykeops is left out: {error}", file=sys.stderr)
    keops = None

GAUSS = "Exp(-SqNorm2(x - y))"
D3 = {"x": ("Vi", 3), "y": ("Vj", 3)}


class Problem:
    def __init__(self, name, reduction, formula, out, arguments, m, n, dtype="float32", k=None):
        self.name, self.reduction, self.formula, self.out, self.arguments = name, reduction, formula, out, arguments
        self.m, self.n, self.dtype, self.k = m, n, dtype, k
        random = np.random.default_rng(1)
        rows = {"Vi": (m,), "Vj": (n,), "Pm": ()}
        self.arrays = {
            name: random.random((*rows[kind], dim)).astype(dtype) for name, (kind, dim) in arguments.items()
        }

    def aliases(self):
        return [f"{name} = {kind}({dim})" for name, (kind, dim) in self.arguments.items()]


def problems():
    for dtype in ["float32", "float64"]:
        yield Problem("gaussian D=3", "Sum", GAUSS, 1, D3, 4000, 10000, dtype)
        yield Problem("gaussian D=3, weighted", "Sum", GAUSS + "*b", 1, D3 | {"b": ("Vj", 1)}, 4000, 10000, dtype)
        lse = D3 | {"g": ("Pm", 1), "b": ("Vj", 1)}
        yield Problem("logsumexp D=3", "LogSumExp", "-(g*SqNorm2(x - y)) + b", 1, lse, 4000, 10000, dtype)
        d100 = {"x": ("Vi", 100), "y": ("Vj", 100)}
        yield Problem("argmin D=100", "ArgMin", "SqDist(x, y)", 1, d100, 2000, 5000, dtype)
        yield Problem("argkmin D=3 K=3", "ArgKMin", "SqDist(x, y)", 3, D3, 4000, 20000, dtype, 3)
        yield Problem("argkmin D=3 K=10", "ArgKMin", "SqDist(x, y)", 10, D3, 4000, 20000, dtype, 10)
        yield Problem("argkmin D=100 K=10", "ArgKMin", "SqDist(x, y)", 10, d100, 2000, 5000, dtype, 10)
        yield Problem("gaussian * b, b in R^10", "Sum", GAUSS + "*b", 10, D3 | {"b": ("Vj", 10)}, 2000, 5000, dtype)
        d64 = {"x": ("Vi", 64), "y": ("Vj", 64)}
        yield Problem("(x|y) D=64", "Sum", "(x|y)", 1, d64, 2000, 5000, dtype)
        yield Problem("exp(-norm) D=3", "Sum", "Exp(-Norm2(x - y))", 1, D3, 4000, 10000, dtype)
        yield Problem("1/(1+sqdist) D=3", "Sum", "1/(1 + SqDist(x, y))", 1, D3, 4000, 10000, dtype)
        yield Problem("sqrt(sqdist) D=3", "Sum", "Sqrt(SqDist(x, y))", 1, D3, 4000, 10000, dtype)


def median_seconds(call):
    call()
    times = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def genred(problem, folder):
    command = [options.genred, "reduce", problem.reduction, problem.formula, f"a = Vi({problem.out})"]
    command += problem.aliases()
    for name, array in problem.arrays.items():
        path = folder / f"{name}.npy"
        np.save(path, array)
        command += ["--in", str(path)]
    out = folder / "out.npy"
    command += ["--out", str(out), "--threads", str(options.threads), "--stats", "json"]
    command += ["--repeat", str(options.repeat + 1)]
    stats = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return stats["run_s"], np.load(out)


def pairwise(xp, problem, a, rows):
    """The values of all pairs of some rows, as a user of arrays writes them."""
    x = a["x"][rows]
    y = a["y"]
    if problem.name.startswith("(x|y)"):
        return x @ y.T
    # The expanded form, for which BLAS does the work: faster than differences, and less accurate.
    square = (x * x).sum(1)[:, None] + (y * y).sum(1)[None, :] - 2 * (x @ y.T)
    return xp.maximum(square, 0)


def reduced(xp, problem, a, rows):
    s = pairwise(xp, problem, a, rows)
    name = problem.name
    if name.startswith("gaussian *"):
        return xp.exp(-s) @ a["b"]
    if name.startswith("gaussian D=3, w"):
        return xp.exp(-s) @ a["b"]
    if name.startswith("gaussian"):
        return xp.exp(-s).sum(1)
    if name.startswith("logsumexp"):
        f = -(a["g"] * s) + a["b"].T
        m = f.max(1)
        return m + xp.log(xp.exp(f - m[:, None]).sum(1))
    if name.startswith("argmin"):
        return s.argmin(1)
    if name.startswith("argkmin"):
        if xp is np:
            part = np.argpartition(s, problem.k, axis=1)[:, : problem.k]
            order = np.take_along_axis(s, part, 1).argsort(1)
            return np.take_along_axis(part, order, 1)
        return jax.lax.top_k(-s, problem.k)[1]
    if name.startswith("(x|y)"):
        return s.sum(1)
    if name.startswith("exp(-norm)"):
        return xp.exp(-xp.sqrt(s)).sum(1)
    if name.startswith("1/"):
        return (1 / (1 + s)).sum(1)
    return xp.sqrt(s).sum(1)


def numpy_peer(problem):
    bytes_a_row = problem.n * problem.arrays["x"].itemsize
    step = max(1, options.chunk * 2**20 // bytes_a_row)

    def call():
        parts = [reduced(np, problem, problem.arrays, slice(r, r + step)) for r in range(0, problem.m, step)]
        return np.concatenate(parts)

    return call


def jax_peer(problem):
    if not jax:
        return None
    arrays = {name: jnp.asarray(array) for name, array in problem.arrays.items()}
    step = max(1, options.chunk * 2**20 // (problem.n * 4))
    kernel = jax.jit(lambda a, rows: reduced(jnp, problem, a, rows))
    blocks = [np.arange(r, min(problem.m, r + step)) for r in range(0, problem.m, step)]

    def call():
        return np.concatenate([np.asarray(kernel(arrays, block)) for block in blocks])

    return call


def keops_peer(problem):
    if not keops:
        return None
    extra = {"opt_arg": problem.k} if problem.k else {}
    kernel = keops.Genred(
        problem.formula, problem.aliases(), reduction_op=problem.reduction, axis=1, **extra
    )
    arrays = list(problem.arrays.values())
    return lambda: kernel(*arrays, backend="CPU")


def sklearn_peer(problem):
    if not sklearn or not problem.name.startswith("arg"):
        return None
    from sklearn.metrics._pairwise_distances_reduction import ArgKmin

    x, y = problem.arrays["x"], problem.arrays["y"]
    return lambda: ArgKmin.compute(x, y, problem.k or 1, metric="sqeuclidean")


def faiss_peer(problem):
    if not faiss or not problem.name.startswith("arg") or problem.dtype != "float32":
        return None
    index = faiss.IndexFlatL2(problem.arrays["x"].shape[1])
    index.add(problem.arrays["y"])
    return lambda: index.search(problem.arrays["x"], problem.k or 1)[1]


def numba_peer(problem):
    """A hand-written double loop; `fastmath` lets it vectorise the sum."""
    if not numba or problem.name not in ("gaussian D=3", "1/(1+sqdist) D=3", "sqrt(sqdist) D=3", "exp(-norm) D=3"):
        return None
    import math

    kind = problem.name

    @numba.njit(fastmath=True, parallel=options.threads > 1)
    def kernel(x, y):
        out = np.zeros(x.shape[0], x.dtype)
        for i in numba.prange(x.shape[0]):
            total = x.dtype.type(0)
            for j in range(y.shape[0]):
                s = x.dtype.type(0)
                for k in range(x.shape[1]):
                    d = x[i, k] - y[j, k]
                    s += d * d
                if kind == "gaussian D=3":
                    total += math.exp(-s)
                elif kind == "1/(1+sqdist) D=3":
                    total += 1 / (1 + s)
                elif kind == "sqrt(sqdist) D=3":
                    total += math.sqrt(s)
                else:
                    total += math.exp(-math.sqrt(s))
            out[i] = total
        return out

    return lambda: kernel(problem.arrays["x"], problem.arrays["y"])


PEERS = {
    "pykeops": keops_peer,
    "NumPy": numpy_peer,
    "JAX": jax_peer,
    "scikit-learn": sklearn_peer,
    "faiss": faiss_peer,
    "numba": numba_peer,
}


def agrees(problem, ours, theirs):
    """Whether two results are the same computation: indices mostly, values to the dtype's accuracy."""
    theirs = np.asarray(theirs).reshape(ours.shape)
    if problem.reduction.startswith("Arg"):
        return np.mean(ours == theirs) > 0.98
    return np.allclose(ours, theirs, rtol=2e-3 if problem.dtype == "float32" else 1e-8)


def printed(path):
    """The times of a table that this script has printed."""
    lines = [line.replace("\\|", "\0") for line in Path(path).read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("\0", "|") for cell in line.split("|")[1:-1]] for line in lines]
    names = cells[0][2:]
    for problem, dtype, *times in cells[2:]:
        timed = [(name, time.strip("*").split()[0]) for name, time in zip(names, times) if time not in ("", "differs")]
        found = {name: float(time) for name, time in timed}
        yield f"{problem}, {dtype}", found


def main():
    if options.table:
        return plot(list(printed(options.table)))
    rows = []
    names = list(PEERS)
    print(f"ns a pair, {options.threads} thread{'s' if options.threads > 1 else ''}, median of {options.repeat}\n")
    print(f"| problem | dtype | genred | {' | '.join(names)} |")
    print("|---|---|---|" + "---|" * len(names))
    for problem in problems():
        if options.problems and not any(part in problem.name for part in options.problems):
            continue
        with tempfile.TemporaryDirectory() as folder:
            seconds, ours = genred(problem, Path(folder))
        pairs = problem.m * problem.n
        cells, times = [], {"genred": seconds}
        for name, make in PEERS.items():
            call = make(problem)
            if call is None:
                cells.append("")
                continue
            if not agrees(problem, ours, call()):
                cells.append("differs")
                continue
            times[name] = median_seconds(call)
            cells.append(f"{times[name] / pairs * 1e9:.3f} [{times[name] / seconds:.1f}]")
        name = problem.name.replace("|", "\\|")
        print(f"| {name} | {problem.dtype} | **{seconds / pairs * 1e9:.3f}** | {' | '.join(cells)} |", flush=True)
        rows.append((f"{problem.name}, {problem.dtype}", {n: t / pairs * 1e9 for n, t in times.items()}))
    if options.svg:
        plot(rows)


def plot(rows):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.34 * len(rows) + 1.2))
    marks = dict(zip(["genred", *PEERS], "o^sDvPX"))
    for name, mark in marks.items():
        points = [(times[name], k) for k, (_, times) in enumerate(rows) if name in times]
        if points:
            x, y = zip(*points)
            big = name == "genred"
            axes.plot(x, y, mark, label=name, markersize=8 if big else 5, zorder=3 if big else 2,
                      color="black" if big else None)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"ns a pair, {options.threads} thread{'s' if options.threads > 1 else ''} (less is better)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(options.svg)


main()
