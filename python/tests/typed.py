"""What a type checker sees of the package: `mypy --strict` passes, so each ignored line is a mistake that it finds. pytest does not run it."""

from typing import Any

import numpy as np
from genred.cluster import from_matrix
from genred.numpy import Genred, KernelSolve, LazyTensor, Vi, Vj, generic_sum
from typing_extensions import assert_type

x, y = np.ones((4, 3)), np.ones((5, 3))
aliases = ["x = Vi(3)", "y = Vj(3)"]

distance = Genred("SqDist(x, y)", aliases, axis=1, keep="IndexI != IndexJ")
assert_type(distance, Genred)
assert_type(distance.aliases, list[str])
assert_type(generic_sum("SqDist(x, y)", "a = Vi(1)", *aliases), Genred)
assert_type(Vi(x) - Vj(y), LazyTensor)
assert_type(KernelSolve("SqDist(x, y) * y", aliases, "y")(x, x, alpha=0.1), Any)
distance(x, y, ranges=from_matrix([[0, 4]], [[0, 5]], np.ones((1, 1), bool)), out=np.empty((4, 1)))

Genred("SqDist(x, y)", aliases, axis=2)  # type: ignore[arg-type]
Genred(3, aliases)  # type: ignore[arg-type]
Genred("SqDist(x, y)", aliases, sum_scheme="fast")  # type: ignore[arg-type]
Genred("SqDist(x, y)", aliases, keeps="IndexI != IndexJ")  # type: ignore[call-arg]
distance(x, y, engine="clif")  # type: ignore[call-arg]
distance.formula = "x"  # type: ignore[misc]
KernelSolve("SqDist(x, y) * y", aliases)  # type: ignore[call-arg]
