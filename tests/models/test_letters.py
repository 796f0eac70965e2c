import math

import pytest

from spacy_llmjudge.models.letters import LetterScores, find_letter_tokens, split_text


@pytest.fixture(scope="module")
def bytes_tokenizer():
    """A token a byte, as GPT-like tokenizers have at least, and some of several characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "A"), ("Ġ", "B"), ("*", "*"), ("A", "."), ("A", "B")]
    words = ["<s>", *alphabet, *("".join(merge) for merge in merges)]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


@pytest.fixture(scope="module")
def marked_tokenizer():
    """Words that carry the space before them, as SentencePiece has them."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "▁1", ":", "▁A", "A", "▁B", "B", "▁", "|", "▁90", "<0xC3>", "<0xA9>"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<s>"))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def names(tokenizer, tokens):
    return [tokenizer.convert_ids_to_tokens(token) for token in tokens]


def test_all_ways_to_write_a_letter_are_found(bytes_tokenizer, marked_tokenizer):
    found = find_letter_tokens(bytes_tokenizer, ("A", "B"))
    pairs = dict(zip(names(bytes_tokenizer, found), found.values()))
    assert pairs == {"A": "A", "B": "B", "ĠA": "A", "ĠB": "B", "A.": "A"}
    found = find_letter_tokens(marked_tokenizer, ("A", "B"))
    pairs = dict(zip(names(marked_tokenizer, found), found.values()))
    assert pairs == {"▁A": "A", "A": "A", "▁B": "B", "B": "B"}


@pytest.mark.parametrize("text", ["1: A | 90\n2: B", "é漢🎉 A", " \n A", "**A** é", ""])
def test_the_pieces_make_the_text(bytes_tokenizer, text):
    tokens = bytes_tokenizer(text)["input_ids"]
    pieces = split_text(bytes_tokenizer, tokens)
    assert "".join(piece for piece, _ in pieces) == text
    places = [place for _, place in pieces]
    assert places == sorted(set(places))
    assert "\ufffd" not in "".join(piece for piece, _ in pieces)
    assert not places or places[-1] == len(tokens) - 1


def test_a_character_that_was_cut_is_there_all_the_same(bytes_tokenizer):
    tokens = bytes_tokenizer("A é")["input_ids"][:-1]
    assert split_text(bytes_tokenizer, tokens)[-1][0].endswith("\ufffd")


def describe(tokenizer, words, probabilities):
    """What is noted of a reply of two-row batches; the other row says nonsense."""
    import torch

    ids = [tokenizer.convert_tokens_to_ids(word) for word in words]
    scores = LetterScores(find_letter_tokens(tokenizer, ("A", "B")))
    for chances in probabilities:
        row = torch.full((len(tokenizer),), -30.0)
        for word, chance in chances.items():
            row[tokenizer.convert_tokens_to_ids(word)] = math.log(chance) + 7.0
        given = torch.stack([torch.zeros(len(tokenizer)), row])
        assert scores(None, given) is given
    text = tokenizer.decode(ids)
    return text, scores.describe(tokenizer, 1, ids, text)


def test_the_tokens_of_a_character_have_its_probability_together(bytes_tokenizer):
    import torch

    text = "aé!"
    ids = bytes_tokenizer.encode(text, add_special_tokens=False)
    scores = LetterScores({})
    for token in ids:
        row = torch.zeros(1, len(bytes_tokenizer))
        row[0, token] = 3.0
        scores(None, row)
    best = 3.0 - math.log(math.exp(3.0) + len(bytes_tokenizer) - 1)
    found = scores.spell(bytes_tokenizer, 0, ids, text)
    assert b"".join(token.data for token in found) == text.encode()
    assert sum(token.logprob for token in found) == pytest.approx(len(ids) * best, abs=1e-4)
    assert len(ids) > len(found) == 3
    assert scores.spell(bytes_tokenizer, 0, ids, "b") is None


def test_ways_to_write_a_letter_are_summed(marked_tokenizer):
    text, found = describe(
        marked_tokenizer,
        ["▁1", ":", "▁A", "|"],
        [
            {"▁1": 0.9, "A": 0.1},
            {":": 1.0},
            {"▁A": 0.5, "A": 0.1, "▁B": 0.2, "B": 0.1, "▁": 0.1},
            {"|": 0.6, "A": 0.4},
        ],
    )
    assert text == "1: A|"
    assert [list(alternatives) for alternatives in found] == [["1"], [":"], ["B", " A"], ["|"]]
    assert found[0]["1"] == pytest.approx(math.log(0.9), abs=1e-5)
    assert math.exp(found[2][" A"]) == pytest.approx(0.6, abs=1e-5)
    assert math.exp(found[2]["B"]) == pytest.approx(0.3, abs=1e-5)


def test_a_letter_after_a_space_of_its_own_has_all_letters_too(marked_tokenizer):
    text, found = describe(
        marked_tokenizer,
        ["▁1", ":", "▁", "A"],
        [{"▁1": 1.0}, {":": 1.0}, {"▁": 0.7, "▁A": 0.3}, {"A": 0.8, "B": 0.2}],
    )
    assert text == "1: A"
    assert {k: round(math.exp(v), 4) for k, v in found[-1].items()} == {"A": 0.8, "B": 0.2}


def test_a_text_that_is_not_made_of_its_tokens_has_no_log_probabilities(marked_tokenizer):
    scores = LetterScores(find_letter_tokens(marked_tokenizer, ("A", "B")))
    assert scores.describe(marked_tokenizer, 0, [1, 2], "another text") is None
