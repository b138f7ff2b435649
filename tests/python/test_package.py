"""The properties of the package that callers rely on: values, pickles, threads, forks, signals, plots."""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import inspect
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rollshare


def test_a_job_is_a_value() -> None:
    a = rollshare.Job(windows=[13, 4, 4], organic="Organic", columns={"value": "installs"})
    b = rollshare.Job(windows=(4, 13), columns={"value": "installs"})
    assert a == b and hash(a) == hash(b) and len({a, b}) == 1
    assert repr(a) == "Job(windows=[4, 13], columns={'value': 'installs'})"
    assert eval(repr(a), {"Job": rollshare.Job}) == a
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(a, protocol)) == a
    assert copy.deepcopy(a) == a
    assert a != rollshare.Job() and rollshare.Job(windows=4) == rollshare.Job()
    full = rollshare.Job(
        grain="day", windows=28, details=True, organic=["b", "a"], country_total="W", os_total="x"
    )
    assert pickle.loads(pickle.dumps(full)) == full
    assert (full.organic, full.grain, full.country_total, full.os_total) == (("a", "b"), "day", "W", "x")


@pytest.mark.parametrize(
    "options", [{"windows": []}, {"windows": 0}, {"semantics": "x"}, {"grain": "hour"},
                {"columns": {"x": "y"}}, {"organic": []}, {"semantics": "legacy", "grain": "day"}]
)  # fmt: skip
def test_an_invalid_option_is_a_value_error(options: dict[str, object]) -> None:
    with pytest.raises(ValueError) as caught:
        rollshare.Job(**options)
    assert isinstance(caught.value, rollshare.ArgumentError)


@pytest.mark.parametrize("options", [{"windows": "4"}, {"windows": [4.5]}, {"organic": 5}, {"nope": 1}])
def test_a_wrong_type_is_a_type_error(options: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        rollshare.Job(**options)


def test_a_job_or_its_options() -> None:
    with pytest.raises(rollshare.ArgumentError, match="windows="):
        rollshare.read_parquet("x", job=rollshare.Job(), windows=3)


def program() -> Path:
    """The command line program that cargo built."""
    root = Path(__file__).parents[2]
    for build in ("release", "debug"):
        if (root / "target" / build / "rollshare").exists():
            return root / "target" / build / "rollshare"
    pytest.skip("the program is not built: cargo build")


#: Options of the program that Python expresses in other ways.
ELSEWHERE = {
    "--source": "first argument", "--target": "Shares.write_*", "--format": "Shares.write_*",
    "--quiet": "nothing is printed", "--json": "Shares.account", "--explain": "nothing is printed",
    "--help": "help()", "--version": "__version__",
}  # fmt: skip


def test_options_are_those_of_the_program(sample: str, tmp_path: Path) -> None:
    shown = subprocess.run([program(), "run", "--help"], capture_output=True, text=True, check=True).stdout
    flags = dict(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)(.*(?:\n {10,}\S.*)*)", shown, re.MULTILINE))
    of_job = {"--window": "windows", "--column": "columns", "--dimension": "dimensions"}
    python = [
        set(inspect.signature(call).parameters) - {"source", "frame", "job", "where_not"}
        for call in (rollshare.read_parquet, rollshare.rolling_share)
    ]
    assert python[0] == python[1]
    for name in python[0]:
        flag = {v: k for k, v in of_job.items()}.get(name, "--" + name.replace("_", "-"))
        assert flag in flags, flag
        default = re.search(r"\[default: (\w+)\]", flags[flag])
        # Instants are put on UTC's calendar where neither the profile nor a column's type has a zone.
        if default and name not in ("threads", "zone"):
            # The defaults of the program give the default job.
            value = int(default[1]) if name == "windows" else default[1]
            assert rollshare.Job(**{name: value}) == rollshare.Job(), name
    job = {of_job.get(flag, flag[2:].replace("-", "_")) for flag in flags}
    assert {n for n in dir(rollshare.Job) if not n.startswith("_")} | {"threads"} <= job
    # Program and package write the same bytes.
    command = [program(), "run", "--source", sample, "--window", "2,5", "--details", "--organic", "Organic"]
    subprocess.run([*command, "--target", tmp_path / "a.parquet"], check=True, capture_output=True)
    frame = pl.read_parquet(sample)
    rollshare.rolling_share(frame, windows=[2, 5], details=True, organic=["Organic"]).write_parquet(
        tmp_path / "b.parquet"
    )
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_comparison_is_the_programs(tmp_path: Path) -> None:
    from conftest import cases

    source, old = cases() / "year_boundary_53/input.parquet", tmp_path / "old"
    rollshare.read_parquet(source, semantics="legacy").write_parquet(f"{old}/")
    found = rollshare.compare(source, old)
    command = [program(), "compare", "--source", source, "--against", old, "--quiet"]
    shown = [
        subprocess.run([*command, *more], check=True, capture_output=True, text=True).stdout
        for more in ([], ["--json"])
    ]
    assert shown[0] == str(found)
    assert (
        json.loads(shown[1])["comparison"] == found.to_dict() == pickle.loads(pickle.dumps(found)).to_dict()
    )
    assert found.causes["new_year"] > 0 and found.differing == len(list(found)) == sum(found.causes.values())
    assert all(row["sentence"].startswith("your dashboard") for row in found.differences)
    with pytest.raises(rollshare.DataError):
        rollshare.compare(source, source)
    flags = set(
        re.findall(
            r"(--[a-z]+)",
            subprocess.run(
                [program(), "compare", "--help"], capture_output=True, text=True, check=True
            ).stdout,
        )
    )
    names = {name.replace("columns", "column") for name in inspect.signature(rollshare.compare).parameters}
    assert {f"--{name}" for name in names - {"threads"}} <= flags


def test_a_debug_build_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    from rollshare import _rollshare

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if not _rollshare.DEBUG:
            importlib.reload(rollshare)
        monkeypatch.setattr(_rollshare, "DEBUG", True)
        with pytest.raises(RuntimeWarning, match="debug build"):
            importlib.reload(rollshare)
    monkeypatch.undo()
    importlib.reload(rollshare)


def test_frames_need_no_pyarrow(sample: str) -> None:
    code = """
import sys
sys.modules["pyarrow"] = None
import pandas, polars, rollshare
frame = polars.read_parquet(sys.argv[1])
columns = {n: frame[n].to_list() for n in ("name", "value", "year_week", "country", "os_name")}
frames = [frame, frame.lazy(), pandas.DataFrame({n: pandas.Series(v, dtype=object if n != "value" else None)
                                                 for n, v in columns.items()})]
coded = [n for n in columns if n != "value"]
frames += [frame.with_columns(polars.col(coded).cast(polars.Categorical))]
frames += [frames[2].astype({n: "category" for n in coded})]
expected = rollshare.read_parquet(sys.argv[1])
assert all(rollshare.rolling_share(f) == expected for f in frames)
assert len(expected.to_polars()) == len(expected.to_pandas()) == len(expected)
"""
    run = subprocess.run([sys.executable, "-c", code, sample], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_errors_are_what_python_expects(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        rollshare.read_parquet(tmp_path / "none.parquet")
    assert isinstance(missing.value, rollshare.NotFoundError)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(ValueError) as caught:
        rollshare.read_parquet(broken)
    assert isinstance(caught.value, rollshare.FormatError)
    assert "broken.parquet" in caught.value.file
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.file) == (type(caught.value), str(caught.value), caught.value.file)
    with pytest.raises(rollshare.ArgumentError, match="threads"):
        rollshare.read_parquet(broken, threads=0)


def test_parts_merge_in_any_order(sample: str) -> None:
    table = pq.read_table(sample)
    whole = rollshare.rolling_share(table, details=True)
    parts = [rollshare.partial(table.slice(at, 700), details=True) for at in range(0, len(table), 700)]
    parts = [pickle.loads(pickle.dumps(part)) for part in parts]
    assert rollshare.merge(parts[::-1]).finish() == whole
    pairs = [rollshare.merge(parts[at : at + 2]) for at in range(0, len(parts), 2)]
    assert rollshare.merge(pairs[3:] + pairs[:3]).finish() == whole
    # Merging does not consume the parts.
    assert rollshare.merge(parts).finish() == whole
    with pytest.raises(rollshare.ArgumentError, match="different jobs"):
        rollshare.merge([parts[0], rollshare.partial(table)])
    with pytest.raises(rollshare.ArgumentError):
        rollshare.merge([])


def test_damaged_parts_are_refused(sample: str) -> None:
    part = rollshare.partial_parquet(sample)
    data = part.to_bytes()
    assert rollshare.Partial.from_bytes(data) == part
    head, body = data.split(b"\n", 1)
    job, sums, organic = json.loads(body)
    for bad in (b"", b"nonsense", data[:-1], head + b"\n[]", data.replace(b"partial 3", b"partial 9")):
        with pytest.raises(rollshare.FormatError):
            rollshare.Partial.from_bytes(bad)
    for field, value in (
        ("cells", []),
        ("kept", []),
        ("groups", ["b", "a", "c"]),
        ("extras", {"99999999": {}}),
    ):
        with pytest.raises(rollshare.RollshareError):
            rollshare.Partial.from_bytes(
                head + b"\n" + json.dumps([job, {**sums, field: value}, organic]).encode()
            )


def test_the_table_goes_everywhere(sample: str, tmp_path: Path) -> None:
    shares = rollshare.read_parquet(sample, details=True)
    shares.write_parquet(tmp_path / "x.parquet")
    file = pq.read_table(tmp_path / "x.parquet")
    assert pa.table(shares).equals(file)
    assert shares.to_arrow().equals(file)
    assert shares.to_polars().equals(pl.read_parquet(tmp_path / "x.parquet"))
    assert pl.DataFrame(shares).equals(shares.to_polars())
    assert file.to_pylist() == shares.to_dicts()
    pandas = shares.to_pandas()
    assert [str(t) for t in pandas.dtypes[:2]] == ["int32", "int32"]
    assert [None if v != v else v for v in pandas["share_organic_p4w"]] == file[
        "share_organic_p4w"
    ].to_pylist()
    days = rollshare.read_parquet(sample, grain="day", windows=28)
    assert days.to_arrow()["date"].to_pylist() == [d.date() for d in days.to_pandas()["date"]]
    assert pickle.loads(pickle.dumps(shares)) == shares
    assert shares != rollshare.read_parquet(sample)
    with pytest.raises(rollshare.ArgumentError):
        shares.write_csv(tmp_path / "x.parquet")
    assert shares.write_csv(tmp_path / "x.csv") == shares.write_json(tmp_path / "x.json") == len(shares)
    with pytest.raises(rollshare.ArgumentError, match="source"):
        shares.write_parquet(sample)


def test_what_people_see(sample: str) -> None:
    shares = rollshare.read_parquet(sample)
    assert "share_organic_p4w" in repr(shares) and "..." in repr(shares)
    html = shares._repr_html_()
    assert "<table" in html and "<svg" in html
    # A line breaks at a null, and a value between two nulls is a dot.
    labels = ["2021_01", "2021_02", "2021_04", "2021_06", "2021_07"]
    gaps = pa.table({"name": ["Organic"] * 5, "value": [1] * 5, "year_week": labels, "country": ["FR"] * 5,
                     "os_name": ["all"] * 5})  # fmt: skip
    picture = rollshare.rolling_share(gaps, windows=1)._repr_html_()
    (path,) = re.findall(r'<path d="([^"]*)"', picture)
    assert (path.count("M"), path.count("L"), picture.count("<circle")) == (2, 2, 1)
    awkward = pa.table({"name": ["Organic"], "value": [1], "year_week": ["2021_05"], "country": ["<b>&"],
                        "os_name": ["all"]})  # fmt: skip
    assert "<b>" not in rollshare.rolling_share(awkward)._repr_html_()
    empty = rollshare.rolling_share(awkward.slice(0, 0))
    assert len(empty) == 0 and "<table" in empty._repr_html_() and "0 rows" in repr(empty)


def test_the_picture(sample: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pip install rollshare[plot]")
    shares = rollshare.read_parquet(sample, details=True, windows=[4, 13])
    figure = shares.plot(window=13)
    figure.savefig(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"
    countries = list(shares.wide().columns)
    assert [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()] == countries
    # Panels without a country are hidden.
    assert sum(axis.get_visible() for axis in figure.axes) == len(countries)
    line = figure.axes[0].lines[0].get_ydata()
    expected = [r["share_organic_p13w"] for r in shares.to_dicts() if r["country"] == countries[0]]
    assert [None if v != v else v for v in line] == expected
    with pytest.raises(rollshare.ArgumentError):
        shares.plot(window=5)
    rollshare.read_parquet(sample, semantics="legacy").plot()


def test_several_calls_at_once(large: str) -> None:
    table = pq.read_table(large)
    expected = rollshare.read_parquet(large)
    with ThreadPoolExecutor(4) as pool:
        of_files = [pool.submit(rollshare.read_parquet, large) for _ in range(4)]
        of_frames = [pool.submit(rollshare.rolling_share, table) for _ in range(4)]
        assert all(future.result() == expected for future in of_files + of_frames)


def test_the_gil_is_released(large: str) -> None:
    frame = pl.read_parquet(large)
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    calls = []
    for _ in range(5):
        start = time.perf_counter()
        rollshare.rolling_share(frame, threads=1)
        calls.append((start, time.perf_counter()))
    done.set()
    thread.join()
    # If the GIL were held, there would be ticks at the edges of a call alone.
    within = [t for t in ticks for a, b in calls if a + (b - a) / 10 < t < b - (b - a) / 10]
    assert len(within) >= 5


def _in_child(source: str) -> rollshare.Shares:
    return rollshare.read_parquet(source)


def test_forks_and_executors(large: str) -> None:
    expected = rollshare.read_parquet(large, threads=2)
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
            assert all(found == expected for found in pool.map(_in_child, [large, large], timeout=60))


SLOW = """
import os, signal, sys, threading, time
import rollshare, pyarrow as pa, pyarrow.parquet as pq
path, kind = sys.argv[1:]
# A shell that starts the tests in the background makes them ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
table = pq.read_table(path)
many = pa.concat_tables([table] * 400) if kind == "frame" else None
def stop():
    global sent
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, stop).start()
try:
    if kind == "frame":
        rollshare.rolling_share(many, threads=1)
    else:
        for _ in range(10_000):
            rollshare.read_parquet(path, threads=1)
    print("not stopped")
except KeyboardInterrupt:
    print(time.perf_counter() - sent)
"""


@pytest.mark.parametrize("kind", ["frame", "files"])
def test_ctrl_c_stops_it(kind: str, large: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SLOW, large, kind], capture_output=True, text=True, timeout=120
    )
    # The docs promise 100 ms on an idle machine. Here it only has to stop long before the work is complete.
    assert float(run.stdout) < 1, (run.stdout, run.stderr)


def test_the_environment_sets_threads(sample: str) -> None:
    code = "import rollshare, sys; rollshare.read_parquet(sys.argv[1])"
    for value, fine in (("2", True), ("0", False), ("many", False)):
        run = subprocess.run(
            [sys.executable, "-c", code, sample],
            env={**os.environ, "ROLLSHARE_THREADS": value}, capture_output=True, text=True,
        )  # fmt: skip
        assert (run.returncode == 0) is fine, run.stderr
        assert fine or "ROLLSHARE_THREADS" in run.stderr


def test_the_import_loads_no_other_modules() -> None:
    code = (
        "import sys; before = set(sys.modules); import rollshare; print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert loaded <= {"rollshare", "__future__"}


def test_signals_are_left_as_they_were(sample: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    rollshare.read_parquet(sample)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_licence_texts_of_linked_crates_are_installed() -> None:
    files = importlib.metadata.distribution("rollshare").files or []
    texts = {file.name: file for file in files if ".dist-info/licenses" in str(file)}
    assert {"LICENSE-APACHE", "LICENSE-MIT"} <= set(texts)
    assert "THIRD-PARTY-LICENSES" in texts, "built without it: python scripts/licenses.py"
    text = Path(str(texts["THIRD-PARTY-LICENSES"].locate())).read_text(encoding="utf-8")
    table, *sections = text.split("=" * 100 + "\n")
    crates = re.findall(r"(?m)^(\S+ \d\S+) +\S", table)
    names = {crate.split()[0] for crate in crates}
    assert len(crates) > 150 and {"arrow2", "pyo3", "zstd-sys", "aws-sdk-s3"} <= names
    covered = {crate for section in sections[::2] for crate in section.strip().split(", ")}
    assert set(crates) <= covered
    # That of the C code in a crate, not only that of the crate.
    assert "Meta Platforms" in text
