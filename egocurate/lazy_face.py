"""What a package offers by name, imported only when somebody asks for it, so that the package itself costs nothing.

A face is written twice, once for type checkers and editors and once for Python; a test holds that both say the same:

    if TYPE_CHECKING:
        from egocurate.curation.sources.open import open_source as open_source
    else:
        __getattr__, __dir__, __all__ = attach(__name__, {"open_source": "egocurate.curation.sources.open"})
"""

import sys
from collections.abc import Callable
from importlib import import_module


def attach(
    package: str, names: dict[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]], tuple[str, ...]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package whose `names` live in the modules they map to.

    A name must not be that of a module of the package: importing the module would put it in the name's place.
    """

    def get_attribute(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(names[name]), name)
        setattr(sys.modules[package], name, value)  # from now on Python finds it without asking here
        return value

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return get_attribute, list_names, tuple(name for name in names if not name.startswith("_"))
