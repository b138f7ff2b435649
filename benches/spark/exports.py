"""Exports for the benchmarks on a cluster, written once for a folder."""

from __future__ import annotations

from pathlib import Path


def sample_files(folder: Path, files: int, rows: int, layout: str) -> None:
    """The sample of so many rows, its row groups divided among files; no row occurs twice."""
    import pyarrow.parquet as pq
    import rollshare

    whole = folder.with_name(f"{folder.name}-whole.parquet")
    rollshare.sample(whole, rows, layout=layout)
    source = pq.ParquetFile(whole, read_dictionary=["name", "year_week", "token", "country", "os_name"])
    groups = source.num_row_groups
    files = min(files, groups)
    folder.mkdir()
    for number in range(files):
        with pq.ParquetWriter(
            folder / f"{number:02}.parquet",
            source.schema_arrow,
            compression="snappy",
            use_deprecated_int96_timestamps=True,
        ) as writer:
            for group in range(groups * number // files, groups * (number + 1) // files):
                writer.write_table(source.read_row_group(group), row_group_size=1 << 20)
    source.close()
    whole.unlink()


def cells(folder: Path, days: int, countries: int, systems: int, channels: int) -> None:
    """A row for each day, country, system and channel, totals among them.

    A file has all days of some countries. So each split has all days, and the checks that compare rows
    have to bring the cells of a day together from all splits.
    """
    import datetime

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = datetime.date(2017, 1, 2)
    dates = [first + datetime.timedelta(day) for day in range(days)]
    weeks = [f"{year}_{week:02}" for year, week, _ in (date.isocalendar() for date in dates)]
    names = {
        "os_name": ["all", *(f"system {number}" for number in range(1, systems))],
        "name": ["Organic", *(f"channel {number:02}" for number in range(1, channels))],
    }
    shape, tile = (days, systems, channels), systems * channels
    of_system = np.tile(np.repeat(np.arange(systems, dtype=np.int32), channels), days)
    of_channel = np.tile(np.arange(channels, dtype=np.int32), days * systems)
    labels = sorted(set(weeks))
    of_week = np.repeat(np.array([labels.index(week) for week in weeks], np.int32), tile)

    def indexed(indices: np.ndarray, values: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(values))

    constant = {
        "name": indexed(of_channel, names["name"]),
        "start_date": pa.array(np.repeat(np.array(dates, "datetime64[D]"), tile)),
        "year_week": indexed(of_week, labels),
        "os_name": indexed(of_system, names["os_name"]),
    }

    def table(country: str, users: np.ndarray) -> pa.Table:
        one = indexed(np.zeros(users.size, np.int32), [country])
        return pa.table({**constant, "country": one, "value": pa.array(users.ravel().astype(np.float32))})

    def code(number: int) -> str:
        return chr(65 + number // 26) + chr(65 + number % 26)

    draws, total = np.random.default_rng(1), np.zeros(shape, np.int64)
    folder.mkdir()
    writer = None
    for number in range(countries):
        if number % 10 == 0:
            if writer is not None:
                writer.close()
            writer = None
        if number == countries - 1:
            rows = table("ALL", total)
        else:
            users = draws.integers(0, 50, shape)
            users[:, 0] = users[:, 1:].sum(axis=1)
            total += users
            rows = table(code(number), users)
        if writer is None:
            writer = pq.ParquetWriter(folder / f"{number:03}.parquet", rows.schema, compression="snappy")
        writer.write_table(rows, row_group_size=1 << 20)
    writer.close()
