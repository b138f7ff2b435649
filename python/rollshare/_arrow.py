"""Differences between versions of pyarrow."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pyarrow as pa


def reader(frame: Any) -> pa.RecordBatchReader:
    """A reader of the record batches of an object with ``__arrow_c_stream__``; needs pyarrow 14 or later."""
    import pyarrow as pa

    if hasattr(pa.RecordBatchReader, "from_stream"):
        return pa.RecordBatchReader.from_stream(frame)
    # pyarrow 14 has the function under another name.
    return pa.RecordBatchReader._import_from_c_capsule(frame.__arrow_c_stream__())
