"""The version of the installed distribution; a module of its own, as reading it costs more than all the face."""

from importlib.metadata import version

__version__ = version("egocurate")
