"""One run on a ledger, as a process of its own, for tests that kill it.

Asks `prompt 0` to `prompt n-1` and writes the replies when all are there. With `--kill-at POINT`
it kills itself with SIGKILL when it passes that point of the ledger for the nth time. Without a word on its command
line it makes such runs as `forked` says.
"""

import argparse
import json
import os
import resource
import signal
import sys
import threading
import warnings
from pathlib import Path

from forked import serve

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.openai import make_openai_model


def make_hook(point, nth):
    lock = threading.Lock()
    seen = [0]

    def hook(passed):
        if passed != point:
            return
        with lock:
            seen[0] += 1
            if seen[0] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook if point else None


def run(words=None):
    # a process that was started in the background of a script ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--kill-at")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--largest-file", type=int)
    parser.add_argument("--open-files", type=int)
    parser.add_argument("--timeout", type=float, default=120.0)
    options = parser.parse_args(words)
    if options.largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.largest_file, options.largest_file))
    if options.open_files:
        limit = len(os.listdir("/proc/self/fd")) + options.open_files
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    warnings.simplefilter("ignore")
    model = make_openai_model(
        options.url, "tiny", concurrency=options.workers, backoff=0.01, timeout=options.timeout
    )
    ledger = LedgerModel(model, options.ledger, hook=make_hook(options.kill_at, options.nth))
    prompts = ([f"prompt {i}"] for i in range(options.prompts))
    replies = [[str(reply), reply.state, reply.reason] for (reply,) in ledger(prompts)]
    options.output.write_text(json.dumps(replies))
    ledger.close()


if __name__ == "__main__":
    run() if sys.argv[1:] else serve(run)
