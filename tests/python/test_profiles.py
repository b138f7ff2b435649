"""Profiles as values, and what exports of other columns than the default give."""

from __future__ import annotations

import csv
import json
import math
import os
import pickle
import subprocess
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import rollshare
from frames import _duckdb
from test_package import program

FACTS = {
    "time": {"date": "day"},
    "users": {"column": "installs"},
    "channel": {"column": "network", "organic": ["Organic"]},
    "dimensions": {"country": {}, "os": {"column": "platform"}},
}
ROWS = [
    # day, country, platform, network, installs, deleted
    (date(2021, 2, 1), "FR", "ios", "Organic", 3, False),
    (date(2021, 2, 2), "FR", "android", "Ads", 1, False),
    (date(2021, 2, 9), "GB", "ios", "Ads", 4, False),
    (date(2021, 2, 9), "GB", "ios", "Organic", 12, False),
    (date(2021, 2, 10), "GB", "android", "Organic", 1000, True),
]
NAMES = ("day", "country", "platform", "network", "installs", "deleted")


def facts() -> pa.Table:
    return pa.table({name: [row[at] for row in ROWS] for at, name in enumerate(NAMES)})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("facts") / "facts.parquet"
    pq.write_table(facts(), path)
    return str(path)


def test_a_profile_is_a_value(tmp_path: Path) -> None:
    profile = rollshare.Profile(FACTS)
    path = tmp_path / "facts.toml"
    path.write_text(profile.to_toml())
    same = [path, str(path), profile.to_toml(), json.dumps(FACTS), profile.to_dict(), profile]
    for given in same:
        assert rollshare.Profile(given) == profile and hash(rollshare.Profile(given)) == hash(profile)
        assert rollshare.Job(profile=given).profile == profile
    assert profile.to_dict() == FACTS
    assert eval(repr(profile), {"Profile": rollshare.Profile}) == profile
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(profile, protocol)) == profile
    assert rollshare.Profile() == rollshare.Profile("cube") == rollshare.Job().profile != profile
    assert repr(rollshare.Profile()) == "Profile('cube')"
    # Entries that are None are not given.
    assert rollshare.Profile({**FACTS, "where": None}) == profile


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("cbe", "cube"), ({**FACTS, "channels": {}}, "Did you mean channel"), ({}, "no column of time"),
        ({**FACTS, "channel": {"column": "c"}}, "organic"), ("{", "JSON"), ("a = \n", "cannot be read"),
        ({**FACTS, "dimensions": {"os": {"totl": "all"}}}, "Did you mean total"),
    ],
)  # fmt: skip
def test_a_wrong_profile_is_an_argument_error(given: object, words: str) -> None:
    for make in (rollshare.Profile, lambda given: rollshare.Job(profile=given)):
        with pytest.raises(rollshare.ArgumentError, match=words):
            make(given)


def test_what_is_no_profile() -> None:
    for given in (5, ["cube"], {"time": {"date": object()}}, {1: 2}):
        with pytest.raises(TypeError, match="profile"):
            rollshare.Profile(given)
    with pytest.raises(rollshare.NotFoundError):
        rollshare.Profile("nowhere/profile.toml")


def test_a_profile_is_inferred(sample: str, tmp_path: Path) -> None:
    profile = rollshare.profile(sample)
    assert profile == rollshare.Profile("cube") == rollshare.profile([Path(sample)])
    assert hash(profile) == hash(rollshare.Profile("cube"))
    assert rollshare.Profile(profile.evidence) == profile
    assert '# It is like the bundled profile "cube".' in profile.evidence
    assert "#" not in profile.to_toml()
    # The evidence is no part of the value.
    copy = pickle.loads(pickle.dumps(profile))
    assert (copy, copy.evidence) == (profile, profile.to_toml())
    frame = pl.read_parquet(sample)
    for kind in (frame, frame.lazy(), frame.to_pandas(), frame.to_arrow(), frame.to_arrow().to_reader()):
        assert rollshare.profile(kind) == profile, type(kind)
    assert rollshare.profile(frame).evidence.startswith("# Profile of a data frame,")
    path = tmp_path / "countries.parquet"
    pq.write_table(pa.table({"date": [date(2021, 2, 1)], "country": ["FR"]}), path)
    with pytest.raises(rollshare.DataError, match="no column of channels"):
        rollshare.profile(path)
    with pytest.raises(rollshare.NotFoundError):
        rollshare.profile(tmp_path / "none.parquet")


def test_a_job_keeps_its_profile() -> None:
    job = rollshare.Job(
        profile=FACTS, by=["country", "os"], with_total=True, share_of="channel", grain="month"
    )
    assert (job.by, job.with_total, job.share_of) == (("country", "os"), ("country", "os"), "channel")
    assert eval(repr(job), {"Job": rollshare.Job}) == job == pickle.loads(pickle.dumps(job))
    assert len({job, pickle.loads(pickle.dumps(job))}) == 1
    assert rollshare.Job(by="none").by == rollshare.Job(by=[]).by == ()
    assert rollshare.Job(with_total="country").with_total == ("country",)
    assert rollshare.Job(with_total=False) == rollshare.Job()
    assert job.columns == {"name": "network", "value": "installs", "start_date": "day", "country": "country"}


def test_single_entries_replace_those_of_the_profile() -> None:
    job = rollshare.Job(
        profile=FACTS, date="at", date_unit="ms", zone="Europe/Berlin", week_start="sunday", settle_days=5,
        count_rows=True, channel="source", paid="Ads", exclude=["Untrusted"], null_channel="organic",
        ignore_case=True,
        dimensions={"os": "system", "app": "bundle"}, total={"os": "all"}, total_rows={"os": "required"},
        where={"kind": "install", "day": [date(2021, 2, 1)]}, where_not={"deleted": [True, 1]},
    )  # fmt: skip
    assert job.profile.to_dict() == {
        "time": {
            "date": "at", "unit": "ms", "zone": "Europe/Berlin", "week_start": "sunday", "settle_days": 5,
        },
        "users": {"rows": True},
        "channel": {
            "column": "source", "paid": ["Ads"], "excluded": ["Untrusted"], "null": "organic",
            "ignore_case": True,
        },
        "dimensions": {
            "app": {"column": "bundle"}, "country": {},
            "os": {"column": "system", "total": "all", "total_rows": "required"},
        },
        "where": [
            {"column": "kind", "in": ["install"]}, {"column": "day", "in": ["2021-02-01"]},
            {"column": "deleted", "not_in": ["true", "1"]},
        ],
    }  # fmt: skip
    assert pickle.loads(pickle.dumps(job)) == job
    # Labels are ISO weeks: another first day leaves them out, the default day does not.
    assert "label" not in rollshare.Job(week_start="sunday").profile.to_dict()["time"]
    assert rollshare.Job(week_start="monday") == rollshare.Job()
    # The short forms.
    assert rollshare.Job(total={"country": "W", "os_name": "x"}) == rollshare.Job(
        country_total="W", os_total="x"
    )
    assert rollshare.Job(users="n", dimensions={"country": "land"}) == rollshare.Job(
        columns={"value": "n", "country": "land"}
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "contry"}, "Did you mean country"), ({"with_total": "os_name"}, "no part of the key"),
        ({"users": "n", "count_rows": True}, "one user a row"), ({"week_start": "x"}, "weekday"),
        ({"date_unit": "h"}, "one of s, ms"), ({"null_channel": "x"}, "organic, paid"),
        ({"organic": "a", "paid": "b"}, "one of the two lists"),
        ({"total_rows": {"os_name": "x"}}, "auto, off"),
        ({"share_of": "x"}, "organic, channel"), ({"semantics": "legacy", "by": "none"}, "original job"),
        ({"semantics": "legacy", "profile": FACTS}, "original job"),
        ({"grain": "month", "semantics": "legacy"}, "legacy semantics"),
        ({"where": {"a": object()}}, None), ({"profile": 5}, None), ({"total": "all"}, None),
    ],
)  # fmt: skip
def test_entries_that_make_no_sense(options: dict[str, object], words: str | None) -> None:
    with pytest.raises(TypeError if words is None else rollshare.ArgumentError, match=words or ""):
        rollshare.Job(**options)


def test_a_fact_table(source: str) -> None:
    options = {"profile": FACTS, "windows": 1, "where_not": {"deleted": True}}
    assert rollshare.read_parquet(source, **options).to_dicts() == [
        {"year": 2021, "week": 5, "country": "FR", "share_organic_p1w": 0.75},
        {"year": 2021, "week": 6, "country": "FR", "share_organic_p1w": None},
        {"year": 2021, "week": 5, "country": "GB", "share_organic_p1w": None},
        {"year": 2021, "week": 6, "country": "GB", "share_organic_p1w": 0.75},
    ]
    world = rollshare.read_parquet(source, by="none", grain="month", **options)
    assert world.to_dicts() == [{"year": 2021, "month": 2, "share_organic_p1m": 0.75}]
    assert world.account["where_not_met"] == 1 and world.account["counted"] == 4
    both = rollshare.read_parquet(
        source, by=["os", "country"], with_total=["country"], grain="month", **options
    )
    assert [(row["os"], row["country"], row["share_organic_p1m"]) for row in both.to_dicts()] == [
        ("android", "FR", 0.0), ("android", "total", 0.0),
        ("ios", "FR", 1.0), ("ios", "GB", 0.75), ("ios", "total", 15 / 19),
    ]  # fmt: skip
    channels = rollshare.read_parquet(source, by=[], share_of="channel", grain="month", **options)
    assert [(row["channel"], row["share_p1m"]) for row in channels.to_dicts()] == [
        ("Ads", 0.25),
        ("Organic", 0.75),
    ]


def test_tables_of_any_key_are_seen(source: str) -> None:
    pytest.importorskip("matplotlib", reason="pip install rollshare[plot]")
    for options in (
        {"by": "none"}, {"by": ["os", "country"], "details": True}, {"grain": "month"}, {"grain": "day"},
        {"share_of": "channel"}, {"by": "none", "share_of": "channel"},
    ):  # fmt: skip
        shares = rollshare.read_parquet(source, profile=FACTS, **options)
        assert "share_" in repr(shares) and "<svg" in shares._repr_html_()
        panels = [axis.get_title(loc="left") for axis in shares.plot().axes if axis.get_visible()]
        first = next(iter(shares.job.by), None) or ("channel" if "share_of" in options else None)
        assert sorted(panels) == (sorted({row[first] for row in shares.to_dicts()}) if first else ["all"])
        assert shares.to_pandas().shape == shares.to_polars().shape
        assert pickle.loads(pickle.dumps(shares)) == shares


def test_a_plot_of_several_keys(source: str) -> None:
    """A panel for each member of the first dimension, a line for each combination of the others."""
    pytest.importorskip("matplotlib", reason="pip install rollshare[plot]")
    options = {"profile": FACTS, "by": ["os", "country"], "with_total": True, "windows": 1}
    for week_start, first_day in (("monday", 0), ("sunday", 6), ("wednesday", 2)):
        shares = rollshare.read_parquet(source, week_start=week_start, **options)
        figure = shares.plot()
        panels = {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_visible()}
        rows: dict[str, dict[str, list[float | None]]] = {}
        for row in shares.to_dicts():
            rows.setdefault(row["os"], {}).setdefault(row["country"], []).append(row["share_organic_p1w"])
        # Those with most users come first.
        assert sorted(panels) == sorted(rows) and next(iter(panels)) == "total"
        for member, axis in panels.items():
            # The legend has lines without points.
            lines = {line.get_label(): line for line in axis.get_lines() if len(line.get_xdata()) > 0}
            lines = {label: line for label, line in lines.items() if not label.startswith("_")}
            assert set(lines) == set(rows[member])
            for country, line in lines.items():
                drawn = [None if value != value else value for value in map(float, line.get_ydata())]
                assert drawn == rows[member][country]
                assert {day.weekday() for day in line.get_xdata()} == {first_day}
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == sorted(
            {c for of in rows.values() for c in of}
        )


def test_nothing_left_is_an_error_that_says_why(source: str, tmp_path: Path) -> None:
    options = {"profile": FACTS, "where": {"network": "organic"}}
    for call in (
        rollshare.read_parquet,
        lambda s, **o: rollshare.run(s, tmp_path / "x.csv", no_checks=True, **o),
    ):
        with pytest.raises(
            rollshare.DataError,
            match="none of 5 rows counts: 5 a condition.*'Organic' .3 rows., 'Ads' .2 rows.",
        ):
            call(source, **options)
    assert not (tmp_path / "x.csv").exists()
    # A part of the data may have no row that counts; the whole may not.
    part = rollshare.partial_parquet(source, **options)
    assert part.account["where_not_met"] == 5
    with pytest.raises(rollshare.DataError, match="none of 5 rows counts: 5 a condition"):
        part.finish()


def test_no_rows(source: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.parquet"
    pq.write_table(facts().slice(0, 0), empty)
    shares = rollshare.read_parquet(empty, profile=FACTS, by=["country", "os"])
    assert (len(shares), shares.columns) == (0, ["year", "week", "country", "os", "share_organic_p4w"])
    target = tmp_path / "empty.csv"
    with pytest.raises(rollshare.DataError, match="no rows"):
        rollshare.run(empty, target, no_checks=True, profile=FACTS)
    result = rollshare.run(empty, target, no_checks=True, allow_empty=True, profile=FACTS)
    assert (result.state, target.read_text()) == ("published", "year,week,country,share_organic_p4w\n")
    with pytest.raises(rollshare.DataError, match="none of 5 rows"):
        rollshare.run(
            source, target, no_checks=True, allow_empty=True, profile=FACTS, where={"platform": "x"}
        )


def test_a_cube_without_totals_sums_all_rows(tmp_path: Path) -> None:
    table = pa.table({
        "name": ["Organic", "Paid", "Organic"], "value": [1, 3, 100], "year_week": ["2021_05"] * 3,
        "country": ["FR"] * 3, "os_name": ["ios", "android", "all"],
    })  # fmt: skip
    parts = []
    for at, rows in enumerate((table.slice(0, 2), table.slice(2))):
        pq.write_table(rows, tmp_path / f"{at}.parquet")
        parts.append(rollshare.partial_parquet(tmp_path / f"{at}.parquet"))
    assert parts[0].finish().to_dicts()[0]["share_organic_p4w"] == 0.25
    assert parts[0].finish().account["counted"] == 2
    # Once a part has total rows, they alone count.
    for order in (parts, parts[::-1]):
        whole = rollshare.merge(pickle.loads(pickle.dumps(order)))
        assert whole.finish() == rollshare.read_parquet([tmp_path / "0.parquet", tmp_path / "1.parquet"])
        assert whole.account["not_total_row"] == 2
    off = rollshare.read_parquet(tmp_path / "0.parquet", total_rows={"os_name": "off"})
    assert off.to_dicts() == parts[0].finish().to_dicts()
    with pytest.raises(rollshare.RollshareError):
        rollshare.read_parquet(tmp_path / "0.parquet", total_rows={"os_name": "required"})


def test_csv_gives_what_parquet_gives(source: str, tmp_path: Path) -> None:
    text = tmp_path / "facts.csv"
    facts().to_pandas().to_csv(text, index=False)
    assert rollshare.read_parquet(text, profile=FACTS) == rollshare.read_parquet(source, profile=FACTS)
    text.write_text(text.read_text() + "2021-02-10,GB,ios,Organic,many,False\n")
    with pytest.raises(rollshare.DataError, match="'many' is no number") as error:
        rollshare.read_parquet(text, profile=FACTS)
    assert (error.value.line, error.value.column) == (len(ROWS) + 2, "installs")


def test_checks_read_the_columns_of_the_profile(source: str) -> None:
    options = {"profile": FACTS, "where_not": {"deleted": True}}
    of_file = rollshare.check(source, **options)
    of_frame = rollshare.check(pl.read_parquet(source), **options)
    assert [o["status"] for o in of_frame] == [o["status"] for o in of_file]
    with pytest.raises(rollshare.ArgumentError, match="default profile"):
        rollshare.quality.expectations(rollshare.Job(profile=FACTS))


def test_the_program_gives_the_same(source: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.toml"
    path.write_text(rollshare.Profile(FACTS).to_toml())
    command = [program(), "run", "--source", source, "--profile", path, "--no-checks", "--by", "os,country"]
    command += [
        "--with-total",
        "--where",
        "deleted!=true",
        "--exclude",
        "Ads",
        "--target",
        tmp_path / "a.csv",
    ]
    subprocess.run(command, check=True, capture_output=True)
    shares = rollshare.read_parquet(
        source,
        profile=path,
        by=["os", "country"],
        with_total=True,
        where_not={"deleted": "true"},
        exclude="Ads",
    )
    shares.write_csv(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def same(a: str, b: str) -> bool:
    try:
        return a == b or math.isclose(float(a), float(b), rel_tol=1e-12)
    except ValueError:
        return False


def arguments(given: list[str]) -> dict[str, object]:
    """The keywords for arguments of the program, as the field cases have them."""
    options: dict[str, object] = {}
    at = iter(given)
    for flag in at:
        name = flag[2:].replace("-", "_")
        if name == "with_total":
            options[name] = True
        elif name == "by":
            options[name] = next(at).split(",")
        elif name == "window":
            options["windows"] = [int(window) for window in next(at).split(",")]
        elif name == "total_rows":
            options[name] = dict([next(at).split("=")])
        else:
            options[name] = next(at)
    return options


#: Exports of many teams with their profiles and answers.
FIELD = Path(os.environ.get("ROLLSHARE_FIELD", Path(__file__).parent.parent / "field"))


def field_cases() -> list[dict[str, object]]:
    """The cases that are no table of a lake."""
    if not (FIELD / "manifest.json").exists():
        return []
    cases = json.loads((FIELD / "manifest.json").read_text())
    other = ("delta_", "iceberg_")
    return [case for case in cases if not any(part in str(case["input"]) for part in other)]


@pytest.mark.parametrize("case", field_cases(), ids=lambda case: str(case["id"]))
def test_field_cases(case: dict[str, object], tmp_path: Path) -> None:
    source, options = FIELD / str(case["input"]), arguments(list(case["arguments"]))
    options["profile"] = FIELD / str(case["profile"])
    if case["exit"]:
        with pytest.raises(rollshare.RollshareError) as caught:
            rollshare.run(source, no_checks=True, **options)
        assert all(word in str(caught.value) for word in case["must_say"])
        return
    shares = rollshare.read_parquet(source, **options)
    shares.write_csv(tmp_path / "x.csv")
    found, wanted = (
        list(csv.reader(path.open(newline="")))
        for path in (tmp_path / "x.csv", FIELD / str(case["expected"]))
    )
    assert found[0] == wanted[0] and len(found) == len(wanted)
    for row, line in zip(found, wanted):
        assert len(row) == len(line) and all(map(same, row, line)), (row, line)


FRAMES = {
    "pyarrow": lambda t: t,
    "pyarrow reader": lambda t: t.to_reader(),
    "pyarrow dictionary": lambda t: pa.table([
        c.dictionary_encode() if pa.types.is_string(c.type) else c for c in t.columns
    ], t.column_names),
    "polars": pl.from_arrow,
    "polars lazy": lambda t: pl.from_arrow(t).lazy(),
    "polars categorical": lambda t: pl.from_arrow(t).with_columns(pl.col(pl.String).cast(pl.Categorical)),
    "pandas": lambda t: t.to_pandas(),
    "pandas category": lambda t: t.to_pandas().astype({"country": "category", "platform": "category"}),
    "duckdb": _duckdb,
}  # fmt: skip
QUESTIONS = {
    "facts": {},
    "by os and country": {"by": ["os", "country"], "with_total": True},
    "world": {"by": "none"},
    "channels": {"share_of": "channel", "null_channel": "paid"},
    "rows": {"count_rows": True},
    "months": {"grain": "month", "windows": [1, 2]},
    "days": {"grain": "day", "details": True},
    "weeks from Sunday": {"week_start": "sunday"},
    "bools": {"where_not": {"deleted": True}},
    "numbers": {"where": {"installs": [1, 4, 1000]}},
    "days as text": {"where": {"day": [date(2021, 2, 1), date(2021, 2, 10)]}},
    "totals": {"total": {"os": "ios"}},
    "no such totals": {"total": {"os": "all"}},
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_other_exports_give_what_their_files_give(kind: str, question: str, source: str) -> None:
    options = {"profile": FACTS, **QUESTIONS[question]}
    expected = rollshare.read_parquet(source, **options)
    assert rollshare.rolling_share(FRAMES[kind](facts()), **options) == expected
    parts = [rollshare.partial(FRAMES[kind](facts().slice(at, 1)), **options) for at in range(len(ROWS))]
    assert rollshare.merge(pickle.loads(pickle.dumps(parts[::-1]))).finish() == expected


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_which_no_row_counts(kind: str) -> None:
    with pytest.raises(rollshare.DataError, match="none of 5 rows counts: 5 a condition"):
        rollshare.rolling_share(FRAMES[kind](facts()), profile=FACTS, where={"network": "organic"})
    shares = rollshare.rolling_share(FRAMES[kind](facts().slice(0, 0)), profile=FACTS, by="none")
    assert (len(shares), shares.columns) == (0, ["year", "week", "share_organic_p4w"])


def test_a_missing_column_names_the_keyword(sample: str) -> None:
    table = pq.read_table(sample).rename_columns(
        ["country_code" if name == "country" else name for name in pq.read_schema(sample).names]
    )
    advice = 'There is \'country_code\': add dimensions={"country": "country_code"}'
    frames = (table, table.to_pandas(), pl.from_arrow(table), pl.from_arrow(table).lazy())
    for call in (rollshare.rolling_share, rollshare.check):
        for frame in frames:
            with pytest.raises(rollshare.DataError, match="no column 'country'") as caught:
                call(frame)
            assert caught.value.advice == advice
            assert "--" not in str(caught.value)
    shares = rollshare.rolling_share(table, dimensions={"country": "country_code"})
    assert shares.to_dicts() == rollshare.read_parquet(sample).to_dicts()


def test_a_missing_column_of_files_names_the_keyword(sample: str, tmp_path: Path) -> None:
    path = tmp_path / "installs.parquet"
    table = pq.read_table(sample)
    names = [name.replace("value", "installs") for name in table.column_names]
    pq.write_table(table.rename_columns(names), path)
    for call in (rollshare.read_parquet, rollshare.run, rollshare.check):
        with pytest.raises(rollshare.DataError, match="no column 'value'") as caught:
            call(path)
        assert caught.value.advice == "There is 'installs': add users=\"installs\""
        assert caught.value.file == str(path)


def test_a_column_in_the_index_is_named(sample: str) -> None:
    frame = pq.read_table(sample).to_pandas().set_index("country")
    for call in (rollshare.rolling_share, rollshare.check):
        with pytest.raises(rollshare.DataError, match="'country' is in the index") as caught:
            call(frame)
        assert "reset_index()" in caught.value.advice


def test_organic_channels_that_no_row_has_are_an_error(sample: str) -> None:
    table = pq.read_table(sample)
    reader = table.to_reader()
    for frame in (table, table.to_pandas(), pl.from_arrow(table), pl.from_arrow(table).lazy()):
        with pytest.raises(rollshare.DataError, match="none has name 'organic'") as caught:
            rollshare.rolling_share(frame, organic="organic")
        assert caught.value.expected.endswith(" rows), ...")
        assert caught.value.advice == "There is 'Organic': organic=\"Organic\""
    with pytest.raises(rollshare.DataError, match="none has name 'organic'"):
        rollshare.read_parquet(sample, organic="organic")
    # A reader can be read only once, and a part of the rows is no whole.
    rollshare.rolling_share(reader, organic="organic")
    rollshare.partial(table, organic="organic").finish()
    # Rows without users are rows; the name of the default profile was not typed.
    value = table.schema.get_field_index("value")
    nothing = table.set_column(value, "value", pa.nulls(len(table), pa.float64()).fill_null(0.0))
    assert rollshare.rolling_share(nothing, organic=["Organic", "x"]).account["counted"] > 0
    paid = table.filter(pc.not_equal(table["name"], "Organic"))
    assert {row["share_organic_p4w"] for row in rollshare.rolling_share(paid).to_dicts()} <= {0.0, None}
    with pytest.raises(rollshare.DataError, match="no row is organic"):
        rollshare.rolling_share(paid, organic=["Organic", "Organic Search"])


def test_the_members_of_frames_of_which_no_row_counts_are_listed(sample: str) -> None:
    table = pq.read_table(sample)
    for frame in (table, table.to_pandas(), pl.from_arrow(table)):
        with pytest.raises(rollshare.DataError, match="none of 9000 rows counts") as caught:
            rollshare.rolling_share(frame, where={"name": "Nothing"})
        assert " rows), ..." in caught.value.expected
