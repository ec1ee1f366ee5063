#!/usr/bin/env python3
"""What a small call costs: a Gaussian sum of 10 by 10 points in dimension 3, float32, microseconds a call, all in one run.

    python3 -m venv .venv && .venv/bin/pip install -r benches/compare/requirements.txt ./python
    .venv/bin/python benches/compare/overhead.py

Each number is the smallest mean of --repeat loops of --calls calls: what other work on the machine adds is left out. All work on
one thread. A peer that is not installed is left out.
"""

import argparse
import os
import timeit

for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]:
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from genred.numpy import generic_sum  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--calls", type=int, default=5_000)
parser.add_argument("--repeat", type=int, default=15)
options = parser.parse_args()

random = np.random.default_rng(1)
x, y = (random.random((10, 3)).astype("float32") for _ in range(2))


def expression(xp):
    return lambda x, y: xp.exp(-((x[:, None] - y) ** 2).sum(-1)).sum(-1)


def peers():
    """Names, and functions of no arguments that compute the sum."""
    ours = generic_sum("Exp(-SqDist(x, y))", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)")
    yield "genred", lambda: ours(x, y)
    out = np.empty((10, 1), "float32")
    yield "genred, out=", lambda: ours(x, y, out=out)
    plain = expression(np)
    yield "NumPy", lambda: plain(x, y)
    try:
        import jax
    except ImportError as error:
        print(f"# JAX is left out: {error}")
    else:
        compiled = jax.jit(expression(jax.numpy))
        a, b = jax.numpy.asarray(x), jax.numpy.asarray(y)
        yield "JAX, compiled", lambda: compiled(a, b).block_until_ready()
    try:
        import pykeops

        pykeops.verbose = False
        from pykeops.numpy import generic_sum as theirs
    except Exception as error:  # its start-up probes compilers and may fail in many ways
        print(f"# pykeops is left out: {error}")
    else:
        keops = theirs("Exp(-SqDist(x, y))", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)")
        yield "pykeops", lambda: keops(x, y)


wanted = expression(np)(x.astype("float64"), y.astype("float64"))
for name, call in peers():
    assert np.allclose(np.asarray(call()).ravel(), wanted, rtol=1e-5), name
    loops = timeit.repeat(call, number=options.calls, repeat=options.repeat)
    print(f"{name:<16}{min(loops) / options.calls * 1e6:6.1f}", flush=True)
