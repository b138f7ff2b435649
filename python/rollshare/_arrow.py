"""What pyarrow names differently from version to version."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pyarrow as pa


def reader(frame: Any) -> pa.RecordBatchReader:
    """Record batches of anything with ``__arrow_c_stream__``; needs pyarrow 14 or later."""
    import pyarrow as pa

    if hasattr(pa.RecordBatchReader, "from_stream"):
        return pa.RecordBatchReader.from_stream(frame)
    # pyarrow 14 has it under a name of its own.
    return pa.RecordBatchReader._import_from_c_capsule(frame.__arrow_c_stream__())
