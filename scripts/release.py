"""Packs what is given to others: the program as an archive, and wheels, with the symbols beside them.

Usage: release.py archive PROGRAM FOLDER   a PROGRAM of cargo build --profile dist (make archive)
       release.py wheel WHEEL...           of maturin build --profile dist --strip false (make wheel)
       release.py check FOLDER             whether what is in FOLDER is complete (make test-archive)

On Linux symbols are in NAME.debug. A stripped file names its own (.gnu_debuglink): gdb, perf and addr2line
find it in the same folder. Equal inputs give equal bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LICENCES = ["LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-LICENSES"]


def rust_objcopy() -> str:
    command = ["rustc", "--print", "target-libdir"]
    libdir = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout.strip()
    return str(Path(libdir).parent / "bin/rust-objcopy")


def objcopy(*arguments: str) -> None:
    """Runs the first objcopy that knows the architecture: that of binutils knows one, those of LLVM all."""
    rust = rust_objcopy()
    sysroot_lib = {"LD_LIBRARY_PATH": str(Path(rust).parents[4])}
    errors = []
    for program in ["objcopy", "llvm-objcopy", rust]:
        environment = {**os.environ, **(sysroot_lib if program == rust else {})}
        try:
            done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return
        errors.append(f"{program}: {done.stderr.strip()}")
    raise SystemExit("\n".join(errors) or "there is no objcopy: apt-get install binutils")


def sections(elf: bytes) -> set[str]:
    """The names of the sections of a little-endian ELF64 file."""
    (start,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, of_names = struct.unpack_from("<3H", elf, 0x3A)
    headers = [struct.unpack_from("<I20xQ", elf, start + at * size) for at in range(count)]
    names = headers[of_names][1]
    return {elf[names + name : elf.index(b"\0", names + name)].decode() for name, _ in headers}


def is_elf(binary: bytes) -> bool:
    return binary.startswith(b"\x7fELF")


def split_symbols(file: Path, symbols: Path) -> None:
    """Moves the symbols of a binary to a file of their own; those of macOS are dropped."""
    if not is_elf(file.read_bytes()):
        subprocess.run(["strip", "-x", str(file)], check=True)
        return
    objcopy("--only-keep-debug", str(file), str(symbols))
    if ".debug_line" not in sections(symbols.read_bytes()):
        raise SystemExit(f"{file} has no line tables: build it with --profile dist")
    objcopy("--strip-all", str(file))
    objcopy(f"--add-gnu-debuglink={symbols}", str(file))


def archive(program: Path, folder: Path) -> None:
    facts = subprocess.run(
        [str(program), "--version"], stdout=subprocess.PIPE, encoding="utf-8", check=True
    ).stdout
    version = facts.split("\n")[0].split()[-1]
    target = re.findall(r"(?m)^target: (\S+)", facts)[0]
    name = f"rollshare-{version}-{target}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        stripped = Path(temporary) / "rollshare"
        shutil.copy(program, stripped)
        symbols = Path(temporary) / f"{name}.debug"
        split_symbols(stripped, symbols)
        files = [("rollshare", stripped, 0o755)]
        files += [(path, ROOT / path, 0o644) for path in ["README.md", *LICENCES]]
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path, file, mode in files:
                entry = tarfile.TarInfo(f"{name}/{path}")
                entry.size, entry.mode = file.stat().st_size, mode
                with file.open("rb") as content:
                    tar.addfile(entry, content)
        (folder / f"{name}.tar.gz").write_bytes(gzip.compress(packed.getvalue(), mtime=0))
        made = [program, folder / f"{name}.tar.gz"]
        if symbols.exists():
            made.append(Path(shutil.move(str(symbols), folder / symbols.name)))
    report(made)


def wheel(file: Path) -> None:
    """Strips the native module in a wheel and updates its RECORD."""
    with zipfile.ZipFile(file) as old:
        contents = {entry: old.read(entry) for entry in old.infolist()}
    size = file.stat().st_size
    changed: dict[str, bytes] = {}
    symbols = file.with_name(file.name + ".debug")
    with tempfile.TemporaryDirectory() as temporary:
        for entry, content in contents.items():
            if entry.filename.endswith(".so"):
                module = Path(temporary) / Path(entry.filename).name
                module.write_bytes(content)
                split_symbols(module, symbols)
                changed[entry.filename] = module.read_bytes()
    if len(changed) != 1:
        raise SystemExit(f"{file}: expected one native module, found {sorted(changed)}")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry, content in contents.items():
            if entry.filename.endswith(".dist-info/RECORD"):
                content = "".join(map(record(changed), content.decode().splitlines(keepends=True))).encode()
            new.writestr(entry, changed.get(entry.filename, content), zipfile.ZIP_DEFLATED, 9)
    print(f"{file}: {size:,} bytes with symbols", file=sys.stderr)
    report([file, symbols])


def record(changed: dict[str, bytes]) -> Callable[[str], str]:
    def line(old: str) -> str:
        path = old.split(",")[0]
        if path not in changed:
            return old
        digest = base64.urlsafe_b64encode(hashlib.sha256(changed[path]).digest()).rstrip(b"=").decode()
        return f"{path},sha256={digest},{len(changed[path])}\n"

    return line


def report(files: list[Path]) -> None:
    for file in files:
        print(f"{file}: {file.stat().st_size:,} bytes", file=sys.stderr)


def check(folder: Path) -> None:
    """Unpacks archives and wheels and looks for all parts; starts the program."""
    packed = sorted([*folder.glob("rollshare-*-*.tar.gz"), *folder.glob("*.whl")])
    if not packed:
        raise SystemExit(f"there is neither an archive nor a wheel in {folder}")
    for file in packed:
        with tempfile.TemporaryDirectory() as temporary:
            unpacked = Path(temporary)
            shutil.unpack_archive(file, unpacked, "zip" if file.suffix == ".whl" else "gztar")
            for name in LICENCES:
                texts = list(unpacked.rglob(name))
                assert texts, f"{file} has no {name}"
                assert name != "THIRD-PARTY-LICENSES" or "\nzstd 0" in texts[0].read_text("utf-8"), texts
            binaries = [path for path in unpacked.rglob("*") if path.name == "rollshare" and path.is_file()]
            binaries += unpacked.rglob("*.so")
            assert len(binaries) == 1, binaries
            content = binaries[0].read_bytes()
            if is_elf(content):
                found = sections(content)
                assert ".gnu_debuglink" in found and not {".debug_line", ".symtab"} & found, sorted(found)
                symbols = file.with_name(file.name.replace(".tar.gz", "") + ".debug")
                assert symbols.name.encode() in content, f"{file} names other symbols"
                assert ".debug_line" in sections(symbols.read_bytes()), symbols
            if file.suffix == ".whl":
                check_record(unpacked)
            else:
                done = subprocess.run([str(binaries[0]), "--version"], stdout=subprocess.PIPE, check=True)
                assert done.stdout.startswith(b"rollshare "), done
        print(f"{file}: complete")


def check_record(unpacked: Path) -> None:
    (found,) = unpacked.glob("*.dist-info/RECORD")
    for line in found.read_text("utf-8").splitlines():
        path, digest, size = line.rsplit(",", 2)
        if digest:
            content = (unpacked / path).read_bytes()
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(content))), path


def main() -> int:
    what, *arguments = sys.argv[1:] or [""]
    paths = [Path(argument) for argument in arguments]
    if what == "archive" and len(paths) == 2:
        archive(*paths)
    elif what == "wheel" and paths:
        for file in paths:
            wheel(file)
    elif what == "check" and len(paths) == 1:
        check(*paths)
    else:
        raise SystemExit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
