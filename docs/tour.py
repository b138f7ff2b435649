"""A tour of the Python package, cell by cell; the tests run it. Usage: python docs/tour.py."""

# %% A small export with the traits of a real one
import tempfile
from pathlib import Path

import rollshare

folder = Path(tempfile.mkdtemp())
export = folder / "export.parquet"
rollshare.sample(export, rows=9000)

# %% The share of organic users over four and thirteen weeks, with its bounds
shares = rollshare.read_parquet(export, windows=[4, 13], details=True)
print(shares)

# %% Every row of the input is accounted for
account = shares.account
assert account["rows"] == account["kept"] + account["dropped"] == 9000

# %% The same from a data frame
import polars as pl  # noqa: E402

frame = pl.read_parquet(export)
assert rollshare.rolling_share(frame, windows=[4, 13], details=True) == shares

# %% Two workers, each with a half
job = shares.job
halves = [rollshare.partial(frame[:4500], job=job), rollshare.partial(frame[4500:], job=job)]
assert rollshare.merge(halves).finish() == shares

# %% Where the share has moved most in the last week
latest = shares.to_polars().sort("year", "week").group_by("country", maintain_order=True).last()
print(latest.select("country", "share_organic_p4w", "share_organic_p4w_change"))

# %% The picture
try:
    shares.plot().savefig(folder / "shares.png", dpi=120)
    print("drawn:", folder / "shares.png")
except ImportError:
    print("not drawn: pip install matplotlib")

# %% Publish with the bytes that the program writes
shares.write_parquet(folder / "shares.parquet")
print("published:", (folder / "shares.parquet").stat().st_size, "bytes")
