"""Writes THIRD-PARTY-LICENSES: the licence texts of all crates that are linked into the program.

Usage: licenses.py [--out FILE] [--features cli,s3 ...]

The crates are those of Cargo.lock that cargo links with these features: dependencies of tests and builds, and
macros, are left out. The texts are those in the crates' packages, which cargo fetches. Equal
crates give equal bytes.

Exit code 1 if a crate has a licence that is not in ALLOWED, or no text of it: a new licence is a decision.
deny.toml has the same list.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FEATURES = ["cli,s3", "python,s3"]
TARGETS = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
]

#: The allowed licences, and what their texts contain. Of alternatives the first one here is taken.
ALLOWED = {
    "MIT": ["Permission is hereby granted, free of charge, to any person obtaining a copy of th"],
    "Apache-2.0": ["Apache License", "Version 2.0, January 2004"],
    "BSD-2-Clause": ["Redistribution and use in source and binary forms"],
    "BSD-3-Clause": ["Redistribution and use in source and binary forms", "endorse or promote"],
    "ISC": ["Permission to use, copy, modify, and", "distribute this software for any purpose"],
    "Unicode-3.0": ["UNICODE LICENSE V3"],
    "Zlib": ["This software is provided 'as-is', without any express or implied warranty"],
}
#: Parts of other projects that a package bundles and links: these files count beside its own licence.
BUNDLED = {
    "ring": ["LICENSE*", "third_party/*/LICENSE*"],
    "zstd-sys": ["zstd/LICENSE"],
}
#: What this repository has from elsewhere and links: a name, its licence, and the file of its text.
OWN = [
    ("DejaVu Sans (a part of it)", "Bitstream Vera", ROOT / "src/report/chart/font/LICENSE"),
    ("names of countries (Unicode CLDR)", "Unicode-3.0", ROOT / "src/report/countries.LICENSE"),
]
LICENCE_FILES = re.compile(r"(licen[cs]e|copying|unlicense|notice)", re.IGNORECASE)
RULE = "=" * 100
#: The template of SPDX, for packages without a text.
BSD_3_CLAUSE = """\
Copyright (c) {by}

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions
   and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
   and the following disclaimer in the documentation and/or other materials provided with the
   distribution.

3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse
   or promote products derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


class Crate(NamedTuple):
    name: str
    version: str
    expression: str
    authors: tuple[str, ...]
    folder: Path

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


def cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout


def linked(features: list[str]) -> list[Crate]:
    """The crates that are linked with any of the sets of features on any target, without our own."""
    found = set()
    for selection in features:
        targets = [f"--target={target}" for target in TARGETS]
        tree = cargo(
            "tree", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}", "--no-default-features",
            f"--features={selection}", *targets,
        )  # fmt: skip
        # `memchr v2.7.6 (*)`; a path follows the version of local packages.
        found |= {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    crates = []
    for package in json.loads(cargo("metadata", "--format-version=1", "--all-features"))["packages"]:
        if (package["name"], "v" + package["version"]) in found and package["source"] is not None:
            folder = Path(package["manifest_path"]).parent
            authors = tuple(package["authors"])
            licence = package["license"] or ""
            crates.append(Crate(package["name"], package["version"], licence, authors, folder))
    if len(crates) != len(found) - 1:
        raise SystemExit(f"cargo tree has {len(found) - 1} crates, cargo metadata {len(crates)} of them")
    return sorted(crates)


def chosen(expression: str) -> list[str] | None:
    """The licences of an SPDX expression that we use a crate under; None if not all of them are allowed.

    >>> chosen("Apache-2.0 OR ISC OR MIT"), chosen("Unlicense/MIT")
    (['MIT'], ['MIT'])
    >>> chosen("(MIT OR GPL-3.0) AND Unicode-3.0")
    ['MIT', 'Unicode-3.0']
    >>> chosen("GPL-3.0-only"), chosen("MIT AND GPL-2.0"), chosen("Apache-2.0 WITH LLVM-exception")
    (None, None, None)
    """
    tokens = re.findall(r"[()]|[\w.+-]+", expression.replace("/", " OR "))

    def alternatives() -> list[str] | None:
        options = [conjunction()]
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            options.append(conjunction())
        allowed = [option for option in options if option is not None]
        order = list(ALLOWED)
        return min(allowed, key=lambda option: [order.index(name) for name in option], default=None)

    def conjunction() -> list[str] | None:
        parts = [single()]
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            parts.append(single())
        if None in parts:
            return None
        return [name for part in parts if part is not None for name in part]

    def single() -> list[str] | None:
        if not tokens:
            return None
        token = tokens.pop(0)
        if token == "(":
            inside = alternatives()
            if tokens:
                tokens.pop(0)
            return inside
        if tokens and tokens[0] == "WITH":
            del tokens[:2]
            return None
        return [token] if token in ALLOWED else None

    return alternatives()


def is_text_of(licence: str, text: str) -> bool:
    joined = " ".join(word for word in text.split() if word != "//")
    return all(part in joined for part in ALLOWED[licence])


def texts(crate: Crate) -> tuple[str, list[str]]:
    """The licence that a crate is used under, with a note if its package lacks the text, and the texts."""
    names = chosen(crate.expression)
    if names is None:
        raise SystemExit(
            f"{crate.title}: no licence of '{crate.expression}' is allowed: scripts/licenses.py, deny.toml"
        )
    files = sorted(
        file for file in crate.folder.iterdir() if LICENCE_FILES.match(file.name) and file.is_file()
    )
    bundled = [file for pattern in BUNDLED.get(crate.name, []) for file in sorted(crate.folder.glob(pattern))]
    if crate.name in BUNDLED and not bundled:
        raise SystemExit(f"{crate.title}: none of {BUNDLED[crate.name]} is in the package")
    contents = {file: file.read_text(encoding="utf-8", errors="replace") for file in [*files, *bundled]}
    found: list[str] = []
    note = ""
    for licence in names:
        matching = [contents[file] for file in files if is_text_of(licence, contents[file])]
        # A file with several licences is long: one with this alone is preferred.
        found.append(min(matching, key=len) if matching else standard(licence, crate))
        note = note if matching else " (the usual text; the package has none)"
    found += [contents[file] for file in files if file.name.upper().startswith("NOTICE")]
    found += [contents[file] for file in bundled]
    return " AND ".join(names) + note, list(dict.fromkeys(map(tidy, found)))


def standard(licence: str, crate: Crate) -> str:
    """The text of a licence for a package that has none of its own."""
    by = (
        ", ".join(re.sub(r"\s*<.*?>", "", author) for author in crate.authors)
        or f"the authors of {crate.name}"
    )
    if licence == "Apache-2.0":
        return (ROOT / "LICENSE-APACHE").read_text(encoding="utf-8")
    if licence == "MIT":
        text = (ROOT / "LICENSE-MIT").read_text(encoding="utf-8")
        return re.sub(r"(?m)^Copyright.*$", f"Copyright (c) {by}", text)
    if licence == "BSD-3-Clause":
        return BSD_3_CLAUSE.format(by=by)
    raise SystemExit(f"{crate.title}: its package has no text of {licence}")


def tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\ufeff", "").splitlines()]
    return "\n".join(lines).strip("\n")


def document(crates: list[Crate]) -> str:
    users: dict[str, list[str]] = {}
    table = []
    for crate in crates:
        licence, found = texts(crate)
        table.append(f"{crate.title:<40} {licence}")
        for text in found:
            users.setdefault(text, []).append(crate.title)
    rust = Crate("Rust standard library", "", "MIT", ("The Rust Project Contributors",), ROOT)
    users.setdefault(tidy(standard("MIT", rust)), []).append("the Rust standard library")
    table.append(f"{'the Rust standard library':<40} MIT")
    for name, licence, file in OWN:
        users.setdefault(tidy(file.read_text(encoding="utf-8")), []).append(name)
        table.append(f"{name:<40} {licence}")
    parts = [
        "The program and the Python module are linked with the following crates; their own code is under\n"
        "LICENSE-MIT or LICENSE-APACHE. Each crate is named with the licence that it is used under, and the\n"
        "texts follow.",
        "\n".join(table),
    ]
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        parts.append(f"{RULE}\n{', '.join(names)}\n{RULE}\n\n{text}")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "THIRD-PARTY-LICENSES")
    parser.add_argument("--features", nargs="+", default=FEATURES)
    arguments = parser.parse_args()
    crates = linked(arguments.features)
    text = document(crates)
    arguments.out.write_text(text, encoding="utf-8", newline="\n")
    print(f"{arguments.out}: {len(crates)} crates, {len(text.encode()):,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
