"""Libraries that only some installations have: asked for before there is work that would need them."""

from __future__ import annotations

import logging
from importlib import import_module

from ai_memory.errors import UsageError
from ai_memory.text.cleaning import one_line


def require(what: str, package: str, install: str, *modules: str) -> None:
    """Check that the `modules` of a library, which `what` needs, can be imported; `install` says how it is installed.

    Raises:
        UsageError: they cannot, because the library is not installed, or does not fit what else is.
    """
    logger = logging.getLogger(modules[0].partition(".")[0])
    before = logger.level
    # What a library has to tell of its own beginnings nobody asked for.
    logger.setLevel(logging.CRITICAL)
    try:
        for module in modules:
            import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == modules[0].partition(".")[0]:
            raise UsageError(f"{what} needs a library that is not installed: {package}.", tip=install) from error
        raise _broken(what, package, install, error) from error
    except Exception as error:
        # Whatever a library raises that was built for another version of Python, or of what it needs itself.
        raise _broken(what, package, install, error) from error
    finally:
        logger.setLevel(before)


def _broken(what: str, package: str, install: str, error: Exception) -> UsageError:
    told = one_line(f"{type(error).__name__}: {error}").rstrip(".")
    what = f"{what} needs {package}, which is installed and cannot be loaded ({told})."
    return UsageError(what, tip=install.replace("pip install", "pip install --force-reinstall"))
