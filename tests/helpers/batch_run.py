"""Runs by batches on a ledger, each in a process of its own, for tests that kill them.

Makes runs as `forked` says. With `--kill-at POINT` one kills itself with SIGKILL when it passes that point for the
nth time.
"""

import argparse
import json
import warnings
from pathlib import Path

from forked import serve
from ledger_run import make_hook

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.openai import make_openai_batch_model


def run(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("prices", type=Path)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--kill-at")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--anthropic", action="store_true")
    options = parser.parse_args(words)
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


if __name__ == "__main__":
    serve(run)
