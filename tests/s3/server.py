"""An S3 API server (moto) on a free port of the loopback: prints the port and exits when stdin closes."""

import logging
import os
import sys

# Three keys a page: every listing of the tests has several pages.
os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "3"

from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # noqa: E402

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
os._exit(0)
