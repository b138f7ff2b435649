"""What differs between a session in this process and one of Spark Connect."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Tasks at once, where a session does not say.
UNKNOWN_PARALLELISM = 16


def is_connect(session_or_frame: Any) -> bool:
    """Whether this is an object of Spark Connect."""
    return type(session_or_frame).__module__.startswith("pyspark.sql.connect")


def parallelism(spark: Any) -> int:
    """Tasks that the cluster runs at once, as far as it says."""
    if not is_connect(spark):
        return int(spark.sparkContext.defaultParallelism)
    for key in ("spark.sql.leafNodeDefaultParallelism", "spark.default.parallelism"):
        try:
            return int(spark.conf.get(key))
        except Exception:  # a setting that is not there is an error of the server's own kind
            continue
    return UNKNOWN_PARALLELISM
