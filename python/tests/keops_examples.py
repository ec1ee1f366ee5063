"""The examples in the docstrings of the public package pykeops, run as they are written there, on this package.

``python keops_examples.py`` needs pykeops, whose docstrings it reads; the only change is the import. Clouds of a million points become
ten thousand, unless ``--full`` is given. It prints what each example prints, and ends with status 1 if a statement fails. pytest does not collect it.
"""

import doctest
import io
import sys
import traceback
from contextlib import redirect_stdout

import genred.numpy as ours
import numpy as np
import pykeops

pykeops.verbose = False

import pykeops.numpy as theirs  # noqa: E402

NAMES = ["Genred", "generic_sum", "generic_logsumexp", "generic_argkmin", "generic_argmin", "KernelSolve"]


def main():
    full, failures = "--full" in sys.argv, 0
    for name in NAMES:
        names = {"np": np} | {each: getattr(ours, each) for each in NAMES}
        statements = doctest.DocTestParser().get_examples(getattr(theirs, name).__doc__)
        assert statements, name
        printed = io.StringIO()
        for statement in statements:
            source = statement.source
            if ".long()" in source:
                # A line for PyTorch that was left in the documentation of the NumPy functions: arrays have no such method.
                source = source.replace("a.view(-1).long()", "a.reshape(-1)")
            if not full:
                source = source.replace("000000", "0000")
            try:
                with redirect_stdout(printed):
                    exec(source, names)
            except Exception:
                failures += 1
                print(f"{name}: {source}{traceback.format_exc(limit=0)}", end="")
                break
        print(f"{name}: {len(statements)} statements\n{printed.getvalue()}", end="", flush=True)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
