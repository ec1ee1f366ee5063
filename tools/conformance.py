"""Convert conformance cases (a JSON list) to tests/values/conformance.toml.

    python3 tools/conformance.py CASES.json > tests/values/conformance.toml

Each case keeps its formula, aliases and expected shape, sum, first and last entry. Where a case describes another result than ours (the raw pair under the name of LogSumExpWeight, a batch of one), both are
written out here.
"""

import json
import math
import sys

ROWS, COLUMNS = 5, 7


def entry(k, r, c):
    """The input rule: argument k, row r, component c."""
    return (2 * ((37 * k + 17 * r + 29 * c + 11) % 23) - 21) / 32


def text(value):
    return json.dumps(value, ensure_ascii=False)


def number(value):
    if value is None or math.isnan(value):
        return "nan"
    return repr(float(value))


def expected(outputs):
    rows = []
    for out in outputs:
        shape = out["shape"]
        # (rows, K, D) is written (rows, K*D), and a leading batch axis of 1 is dropped.
        shape = shape[1:] if len(shape) == 3 and out.get("batch") else shape
        rows_, dim = shape[0], math.prod(shape[1:])
        numbers = ", ".join(f"{key} = {number(out[key])}" for key in ("sum", "first", "last"))
        rows.append(f"{{ shape = [{rows_}, {dim}], {numbers} }}")
    return "expect = [\n" + "".join(f"    {row},\n" for row in rows) + "]\n"


def emit(case, name, reduction, outputs, note):
    extra = dict(part.split("=", 1) for part in case["extra"].split() if part)
    out = ["[[case]]"]
    out.append(f"name = {text(name)}")
    out.append(f"reduction = {text(reduction)}")
    out.append(f"axis = {case['axis']}")
    if "K" in extra:
        out.append(f"k = {int(extra['K'])}")
    out.append(f"formula = {text(case['formula'])}")
    if "formula2" in extra:
        out.append(f"weight = {text(extra['formula2'])}")
    out.append(f"aliases = {text(case['aliases'])}")
    if case["id"] == 94:
        knots = [c / 8 for c in range(9)]
        x = [abs(entry(1, r, 0)) for r in range(ROWS)]
        b = [entry(2, r, 0) for r in range(COLUMNS)]
        out.append(f"inputs = [[{knots}], {[[v] for v in x]}, {[[v] for v in b]}]")
    if note:
        out.append(f"note = {text(note)}")
    print("\n".join(out))
    print(expected(outputs))


def log_sum_exp_weight():
    """Case 30 with the logarithm applied, computed from the rule alone."""
    values = []
    for j in range(COLUMNS):
        for e in range(3):
            terms = []
            for i in range(ROWS):
                f = sum(entry(0, i, c) - entry(1, j, c) for c in range(3))
                terms.append((f, entry(2, j, e)))
            top = max(f for f, _ in terms)
            s = math.fsum(math.exp(f - top) * g for f, g in terms)
            values.append(top + math.log(s) if s > 0 else math.nan)
    return [{
        "shape": [COLUMNS, 3],
        "sum": math.fsum(values),
        "first": values[0],
        "last": values[-1],
    }]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    print("# Written by tools/conformance.py. Inputs: argument k, row r, component c holds")
    print("# (2*((37k + 17r + 29c + 11) mod 23) - 21)/32, parameters and arguments named `w` its absolute value.")
    print(f"# {ROWS} i-points, {COLUMNS} j-points.\n")
    for case in cases:
        for out in case["expected"]:
            out["batch"] = case["id"] == 95
        name = f"{case['id']:03} {case['formula'][:60]}"
        note = case["note"].strip("()\u2014 ")
        if case["id"] == 30:
            emit(case, name + ", raw pair", "Max_SumShiftExp", case["expected"], "")
            emit(case, name, "LogSumExpWeight", log_sum_exp_weight(), "with the logarithm applied")
            continue
        if case["id"] == 106:
            note = "where b < a the lower bound is tested first"
        if "KeOps off" in note or case["id"] in (94, 95):
            note = ""
        emit(case, name, case["reduction"], case["expected"], note)


main()
