"""Work for the workers of a cluster that is nothing but prompts: shards without documents, of a model with a ledger;
or that says what a worker has."""

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.shards import Work


def load_prompts(url, ledger, prices, prompts, concurrency, max_cost, backoff=0.01):
    """RETURNS (Work): Asks the prompts of a shard, and describes it by how they ended."""
    server = make_openai_model(url, "tiny", concurrency=concurrency, max_tokens=10, backoff=backoff)
    model = LedgerModel(server, ledger, max_cost=max_cost, prices=prices)
    ended = []

    def process(batch):
        ended[:] = [
            reply.reason if reply.state == "not_sent" else reply.state
            for group in model([prompt] for prompt in batch)
            for reply in group
        ]
        return []

    return Work(
        prompts, process, describe=lambda docs: {"ended": list(ended)}, said=lambda: model.usage()
    )


def load_nothing():
    """RETURNS (Work): Two shards, described by how many GPUs their worker has."""
    import ray

    return Work("ab", lambda batch: [], describe=lambda docs: {"gpus": len(ray.get_gpu_ids())})
