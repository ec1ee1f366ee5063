"""Write the .npy files of tests/npy with NumPy: `python tools/npy_fixtures.py tests/npy`.

Every file holds the numbers of `points`, or a part of them, in one of the forms that NumPy writes; all are exact in float16.
tests/tool.rs knows the same numbers.
"""

import pathlib
import sys

import numpy as np
from numpy.lib import format as npy

points = np.array([[0.5, -1.25, 2.0], [3.0, 0.0, -0.75], [-2.5, 1.5, 0.125], [8.0, -4.0, 1.0]])


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    for dtype in ("<f2", "<f4", "<f8", ">f2", ">f4", ">f8"):
        name = ("little" if dtype[0] == "<" else "big") + "_f" + dtype[2]
        np.save(folder / f"{name}.npy", points.astype(dtype))
        np.save(folder / f"{name}_fortran.npy", np.asfortranarray(points.astype(dtype)))
    np.save(folder / "vector_f4.npy", points[0].astype("<f4"))
    np.save(folder / "scalar_f4.npy", np.float32(0.5))
    np.save(folder / "empty_f4.npy", np.zeros((0, 3), "<f4"))
    np.save(folder / "cube_f4.npy", np.zeros((2, 2, 3), "<f4"))
    np.save(folder / "int64.npy", np.arange(12).reshape(4, 3))
    np.save(folder / "record.npy", np.zeros((4,), [("x", "<f4"), ("y", "<f4")]))
    for version in ((2, 0), (3, 0)):
        with open(folder / f"version{version[0]}_f4.npy", "wb") as file:
            npy.write_array(file, points.astype("<f4"), version=version)


main(sys.argv[1])
