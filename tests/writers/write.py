"""Writes parquet files with one library, in the Python environment that has it.

Usage: write.py MODULE. Each line of the standard input is a request, a JSON object: ``rows`` (the file that
holds the rows), ``target`` (the file to write) and ``seed`` (of the options). Each is answered with a line:
the options, or the error. The first line of the output names the library's version.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from decimal import Decimal
from random import Random
from typing import Any

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
# Precision and scale.
DECIMALS = {"decimal(9,2)": (9, 2), "decimal(18,4)": (18, 4), "decimal(38,10)": (38, 10)}


class Rows:
    """The rows of one file, column by column, and the type of ``value``."""

    def __init__(self, path: str):
        with open(path, encoding="utf-8") as file:
            table = json.load(file)
        self.path = path
        self.kind: str = table["kind"]
        self.columns: dict[str, list[Any]] = table["columns"]
        convert: Any = int
        if self.kind in DECIMALS:
            convert = Decimal
        elif self.kind in ("float", "double"):
            convert = float
        self.columns["value"] = [None if v is None else convert(v) for v in self.columns["value"]]

    def __len__(self) -> int:
        return len(self.columns["value"])

    def has_nulls(self, name: str) -> bool:
        return any(value is None for value in self.columns[name])

    def order(self, random: Random) -> list[str]:
        """The columns in random order, with two more that the job does not read."""
        names = [*self.columns, "tags", "start_date"]
        random.shuffle(names)
        return names


def main() -> None:
    # Libraries print to the standard output: what is meant for the caller goes to a copy of it.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    writer = importlib.import_module(sys.argv[1])
    print(json.dumps({"version": writer.version()}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            options = writer.write(Rows(request["rows"]), request["target"], Random(request["seed"]))
            answer = {"options": options}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
