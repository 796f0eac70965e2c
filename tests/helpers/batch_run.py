"""Runs by batches on a ledger, each in a process of its own, for tests that kill them.

Each line that comes in is a run: the words of `parse`. It is forked, so that nothing is loaded twice; its process
id goes out, and when it has ended its exit code, negative after a signal. With `--kill-at POINT` it kills itself
with SIGKILL when it passes that point for the nth time.
"""

import argparse
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

from ledger_run import make_hook

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.openai import make_openai_batch_model


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("prices", type=Path)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--kill-at")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--anthropic", action="store_true")
    return parser.parse_args(words)


def run(options):
    warnings.simplefilter("ignore")
    model = make_openai_batch_model(
        base_url=options.url,
        model="tiny",
        max_tokens=50,
        max_requests=50,
        backoff=0.01,
        # How long a request that was under way at a kill may still arrive.
        timeout=2.0,
        first_pause=0.02,
        longest_pause=0.05,
        **({"dialect": "anthropic", "api": "messages"} if options.anthropic else {}),
    )
    hook = make_hook(options.kill_at, options.nth)
    ledger = LedgerModel(model, options.ledger, prices=options.prices, max_cost=100.0, hook=hook)
    prompts = [f"prompt {i}" for i in range(options.prompts)]
    ledger.ask_ahead(lambda: ([prompt] for prompt in prompts))
    replies = [[str(reply), reply.state, reply.reason] for (reply,) in ledger([p] for p in prompts)]
    options.output.write_text(json.dumps(replies))
    ledger.close()


def main():
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            code = 0
            try:
                run(parse(json.loads(line)))
            except BaseException:
                traceback.print_exc()
                code = 1
            os._exit(code)
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
