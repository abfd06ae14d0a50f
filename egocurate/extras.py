"""Packages that only an extra of the distribution brings, and the line that installs one."""

EXTRAS = {
    "train": (
        "torch",
        "transformers",
        "tokenizers",
        "safetensors",
        "sentencepiece",
        "simplejpeg",
        "huggingface_hub",
        "tensorboard",
        "matplotlib",
        "decord",
    ),
    "torchcodec": ("torchcodec",),
    "timm": ("timm",),
    "s3": ("s3fs",),
    "gcs": ("gcsfs",),
}
"""Extra -> names, as `import` has them, of the packages that it brings (pyproject.toml; a test compares the two)."""


def way_to_install(module: str | None) -> str | None:
    """Return the line that installs a module which could not be imported; None for one that no extra brings."""
    package = (module or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return f"pip install 'egocurate[{extra}]'"
    return None
