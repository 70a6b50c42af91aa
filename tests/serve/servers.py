"""A server in a thread of the test."""

import threading
import time
from collections.abc import Iterator

import uvicorn

from kaleido.serve.run import listening_socket


def serve_in_thread(app) -> Iterator[str]:
    """Serves an application on a free port while the caller goes on; gives its address."""
    with listening_socket("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join()
