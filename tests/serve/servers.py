"""A server in a thread of the test, and photos to send it."""

import io
import threading
import time
from collections.abc import Iterator

import numpy as np
import uvicorn
from PIL import Image

from kaleido.serve.run import listening_socket

BASE = "http://127.0.0.1:8000"


def picture(colour=(200, 30, 30), size=(48, 60), format="JPEG", **options) -> bytes:
    """A photo of a coloured product on white, encoded."""
    pixels = np.full((size[1], size[0], 3), 255, np.uint8)
    pixels[size[1] // 6 : -size[1] // 6, size[0] // 6 : -size[0] // 6] = colour
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format, **options)
    return data.getvalue()


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
