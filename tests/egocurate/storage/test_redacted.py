"""No password, signature or token of a URL is written or said."""

import pickle

import pytest

from egocurate.errors import InputError, StoreError
from egocurate.storage.paths import as_path
from egocurate.storage.redacted import redacted, redacted_values

SECRETS = [
    ("https://ann:pa55word@host.org/shards/manifest.json", "https://REDACTED@host.org/shards/manifest.json"),
    ("https://pa55word@host.org:8080/a", "https://REDACTED@host.org:8080/a"),
    ("https://ann:pa55word#?:@host.org/a", "https://REDACTED@host.org/a"),
    ("https:/ann:pa55word@host.org/a", "https:/REDACTED@host.org/a"),  # as pathlib folds it
    ("s3://ann:pa55word@bucket/a", "s3://REDACTED@bucket/a"),
    *(
        (f"https://host.org/a.csv?{query}", "https://host.org/a.csv?REDACTED")
        for query in (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=pa55word%2F2026&X-Amz-Signature=pa55word",
            "AWSAccessKeyId=pa55word&Signature=pa55word%3D&Expires=1",
            "sv=2024&sig=pa55word%3D",
            "token=pa55word",
            "x%2Damz%2Dsignature=pa55word",
            "pa55word",
        )
    ),
    ("https://host.org/a#access_token=pa55word", "https://host.org/a#REDACTED"),
]


@pytest.mark.parametrize(("url", "shown"), SECRETS)
def test_nothing_secret_of_a_url_is_left(url, shown):
    assert redacted(url) == shown
    texts = [
        f"{url}: is not there",
        f"curate shards --set shards={url} --out x",
        f"({url}), '{url}'",
        f'{{"a":"{url}"}}',
    ]
    for text in texts:
        assert redacted(text) == text.replace(url, shown)
    assert redacted_values({"a": [url, 3, None], url: (url,)}) == {"a": [shown, 3, None], shown: (shown,)}


@pytest.mark.parametrize("kind", [InputError, StoreError])
def test_an_error_tells_no_secret_however_it_is_shown(kind):
    error = kind(f"{SECRETS[0][0]}: refused")
    for shown in (str(error), repr(error), str(pickle.loads(pickle.dumps(error))), *map(str, error.args)):
        assert "pa55word" not in shown and "https://REDACTED@host.org/shards/manifest.json: refused" in shown


@pytest.mark.parametrize(
    "text",
    [
        "/data/a@b/c?d=e",
        "s3://bucket/a/b@2x.mp4",
        "https://host.org/@ann/a",
        "s3://bucket/take#3/a",
        "mail a@b.c",
        "a: b",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_a_scheme_after_a_digit_hides_nothing():
    assert redacted("1https://ann:pa55word@host/a") == "1https://REDACTED@host/a"


def test_a_url_out_of_a_record_is_answered_with_what_to_do():
    with pytest.raises(InputError, match=r"secrets of this URL were left out .* give the whole URL"):
        as_path("https://REDACTED@host.org/shards")
