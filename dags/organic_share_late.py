"""The default callback for late runs of organic_share: writes a line to the log of the triggerer.

The triggerer imports this module by its name: dags/ must be on its PYTHONPATH.
ORGANIC_SHARE_LATE_CALLBACK names another coroutine function, or a notifier of a provider.
"""

from __future__ import annotations

import logging
from typing import Any


async def log_late(context: dict[str, Any] | None = None, **_: Any) -> None:
    """Log that a run has passed its deadline."""
    run = (context or {}).get("dag_run")
    identity = run.get("dag_run_id", run) if isinstance(run, dict) else run
    logging.getLogger("organic_share").error("organic_share is late: run %s has not published yet", identity)
