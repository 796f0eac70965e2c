"""A tiny Llama with random weights, and its forward pass by hand."""

import json

import numpy

WORDS = "a b c d e f g h is it right wrong yes no A B C D soup stew : ? user judge".split()


TEMPLATE = (
    "{% for message in messages %}user : {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}judge :{% endif %}"
)


def build(path, template):
    """A Llama of two layers with random weights, and a tokenizer of its own."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = template
    fast.save_pretrained(path)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.6,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def by_hand(path, ids):
    """Log-probabilities over the vocabulary after each token, (n_tokens, n_words), in numpy."""
    from safetensors.numpy import load_file

    config = json.loads((path / "config.json").read_text())
    w = {k: v.astype(numpy.float64) for k, v in load_file(path / "model.safetensors").items()}
    n_heads, n_shared = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["hidden_size"] // n_heads

    def norm(x, weight):
        return x / numpy.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weight

    def rotate(x):
        frequencies = config["rope_theta"] ** (-numpy.arange(0, size, 2) / size)
        angles = numpy.arange(len(ids))[:, None] * frequencies
        cos, sin = numpy.cos(angles)[:, None], numpy.sin(angles)[:, None]
        left, right = x[..., : size // 2], x[..., size // 2 :]
        return numpy.concatenate([left * cos - right * sin, right * cos + left * sin], -1)

    def softmax(x):
        e = numpy.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    x = w["model.embed_tokens.weight"][ids]
    for i in range(config["num_hidden_layers"]):
        layer = {k.split(f"layers.{i}.")[1]: v for k, v in w.items() if f"layers.{i}." in k}
        h = norm(x, layer["input_layernorm.weight"])
        q = rotate((h @ layer["self_attn.q_proj.weight"].T).reshape(len(ids), n_heads, size))
        k = rotate((h @ layer["self_attn.k_proj.weight"].T).reshape(len(ids), n_shared, size))
        v = (h @ layer["self_attn.v_proj.weight"].T).reshape(len(ids), n_shared, size)
        k, v = (numpy.repeat(z, n_heads // n_shared, axis=1) for z in (k, v))
        scores = numpy.einsum("ihd,jhd->hij", q, k) / numpy.sqrt(size)
        scores += numpy.triu(numpy.full((len(ids), len(ids)), -numpy.inf), 1)
        mixed = numpy.einsum("hij,jhd->ihd", softmax(scores), v).reshape(len(ids), -1)
        x = x + mixed @ layer["self_attn.o_proj.weight"].T
        h = norm(x, layer["post_attention_layernorm.weight"])
        gate = h @ layer["mlp.gate_proj.weight"].T
        up = h @ layer["mlp.up_proj.weight"].T
        x = x + (gate / (1 + numpy.exp(-gate)) * up) @ layer["mlp.down_proj.weight"].T
    logits = norm(x, w["model.norm.weight"]) @ w["lm_head.weight"].T
    return numpy.log(softmax(logits))
