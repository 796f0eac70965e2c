"""Asking a model of spacy-llm's protocol, and looking into its ledger."""

import sqlite3

PRICES = {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": {"input": 1.0, "output": 4.0}}}


def ask(model, *prompts):
    return [reply for group in model([[prompt] for prompt in prompts]) for reply in group]


def numbers(n):
    return [f"prompt {i}" for i in range(n)]


def select(ledger, sql):
    db = sqlite3.connect(ledger)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()
