"""SentencePiece models as tokenizers, and texts as VideoPrism's text tower reads them."""

import io

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from egocurate.models.sentencepiece_tokenizer import SentencePieceTokenizer
from egocurate.models.tokenizer import count_pieces, load_tokenizer
from egocurate.models.videoprism.canonical_text import canonical_text

TEXTS = ["c cuts the onion with a knife.", "c picks up the cup.", "c opens the tap.", "c washes the onion."]


def write_model(path, **settings):
    """Train a model as VideoPrism's was: padding 0, end 1, unknown 2, no begin."""
    model, ids = io.BytesIO(), {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=30, minloglevel=2, **ids | settings
    )
    path.write_bytes(model.getvalue())
    return str(path)


def test_ids_are_the_librarys(tmp_path):
    source = write_model(tmp_path / "spm.model")
    tokenizer, theirs = load_tokenizer(source), SentencePieceProcessor(model_file=source)
    # The last two are split otherwise by other readers of the same file.
    texts = [*TEXTS, "a cup", "unseen words", "", "e\u0301 cup \u200bx", "\u00bd\uff9e cup"]
    expected = [theirs.encode(text) for text in texts]
    assert tokenizer(texts, truncation=False, max_length=4)["input_ids"] == expected
    assert tokenizer(texts, truncation=True, max_length=4)["input_ids"] == [ids[:4] for ids in expected]
    assert 1 not in {piece for ids in expected for piece in ids}  # no end token, as released
    assert len(tokenizer) == count_pieces(tokenizer) == 30
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (0, None)


def test_a_begin_token_stands_first_where_the_model_has_one(tmp_path):
    source = write_model(tmp_path / "spm.model", bos_id=3)
    theirs = SentencePieceProcessor(model_file=source).encode("the cup")
    ids = SentencePieceTokenizer(source)(["the cup"], truncation=True, max_length=9)["input_ids"]
    assert ids == [[3, *theirs]]


def test_it_is_saved_and_read_from_its_folder(tmp_path):
    tokenizer = load_tokenizer(write_model(tmp_path / "spm.model"))
    tokenizer.save_pretrained(tmp_path / "saved")
    (tmp_path / "spm.model").unlink()
    again = load_tokenizer(str(tmp_path / "saved"))
    assert again(TEXTS, truncation=True, max_length=64) == tokenizer(TEXTS, truncation=True, max_length=64)


def test_what_is_no_model_is_one_line(tmp_path):
    (tmp_path / "odd.model").write_bytes(b"not a model")
    for source in (tmp_path / "odd.model", tmp_path / "none.model"):
        with pytest.raises(ValueError, match="no SentencePiece model") as raised:
            load_tokenizer(str(source))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Hello, World!", "hello world."),
        ("Hello,World..", "hello world."),
        ("  Hello   WORLD", "hello world."),
        ("#C C cuts the t-shirt", "c c cuts the t shirt."),
        ("", "."),
    ],
)
def test_texts_are_canonical_as_released(text, canonical):
    assert canonical_text(text) == canonical
