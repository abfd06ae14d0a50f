"""Tokenizers made from narrations: saved and loaded, the same for any order of texts, frequent words first."""

import pytest
from transformers import VideoPrismTokenizer

from egocurate.models.tokenizer import count_pieces, load_tokenizer, train_tokenizer

TEXTS = ["picks up the cup", "cuts the onion with a knife", "cuts the onion", "walks"]


def test_tokenizer_round_trip(tmp_path):
    tokenizer = train_tokenizer(TEXTS, vocab=60)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    texts = ["Cuts the CUP", "unseen cat", "ß"]
    assert again(texts).input_ids == tokenizer(texts).input_ids
    assert len(again) <= 60
    assert again.decode(again("cuts the onion").input_ids, skip_special_tokens=True) == "cuts the onion"
    assert again.unk_token_id in again("ß").input_ids
    padded = again(["walks", "cuts the onion"], padding=True, return_tensors="pt")
    assert padded.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


def test_tokenizer_does_not_depend_on_the_order_of_texts():
    assert train_tokenizer(TEXTS).get_vocab() == train_tokenizer(TEXTS[::-1]).get_vocab()


def test_tokenizer_prefers_frequent_words_when_pieces_run_out():
    plain = train_tokenizer(["ab"] * 3 + ["ba"], vocab=5 + 4 + 1)
    assert plain.tokenize("ab ba") == ["ab", "b", "##a"]


def test_tokens_that_stand_in_no_text_need_no_place_in_the_tower(tmp_path):
    """As VideoPrism's tokenizer on the hub has a hundred of T5's."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁cup", -3.0)]
    VideoPrismTokenizer(vocab=pieces).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    assert len(tokenizer) == 105
    assert count_pieces(tokenizer) == 5
    assert max(tokenizer(["cup cups"], truncation=True, max_length=8)["input_ids"][0]) < 5
    made = train_tokenizer(TEXTS, vocab=60)
    assert count_pieces(made) == len(made)
    made.add_special_tokens({"sep_token": "<end>"})  # put after every text, so the tower must know it
    assert count_pieces(made) == len(made)


def test_missing_tokenizer_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"tokenizer .*nothing") as raised:
        load_tokenizer(str(tmp_path / "nothing"))
    assert "\n" not in str(raised.value)
