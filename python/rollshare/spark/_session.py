"""Differences between a classic session, in this process, and a session of Spark Connect."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Assumed number of parallel tasks, where the session does not report it.
UNKNOWN_PARALLELISM = 16


def is_connect(session_or_frame: Any) -> bool:
    """Whether this is an object of Spark Connect."""
    return type(session_or_frame).__module__.startswith("pyspark.sql.connect")


def parallelism(spark: Any) -> int:
    """The number of tasks that the cluster runs at once, or a default where it is unknown."""
    if not is_connect(spark):
        return int(spark.sparkContext.defaultParallelism)
    for key in ("spark.sql.leafNodeDefaultParallelism", "spark.default.parallelism"):
        try:
            return int(spark.conf.get(key))
        except Exception:  # each server raises its own exception for a missing setting
            continue
    return UNKNOWN_PARALLELISM


def has_executors(spark: Any) -> bool:
    """Whether executors are other processes than the driver."""
    return is_connect(spark) or not spark.sparkContext.master.startswith("local")


def executors_of(spark: Any) -> int | None:
    """The number of executors; ``None`` where it is unknown."""
    if is_connect(spark) or not has_executors(spark):
        return None
    # The driver is one of them.
    return len(spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1
