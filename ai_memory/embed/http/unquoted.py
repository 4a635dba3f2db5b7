"""Takes out of an error what an endpoint said of texts that stand nowhere but in memory: it may repeat them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ai_memory.errors import UNUSABLE, EmbedError
from ai_memory.text.sealed import any_sealed


@contextmanager
def unquoted(texts: Iterable[str], host: str) -> Iterator[None]:
    """Have an error of a request quote nothing of its answer, where one of its `texts` is sealed.

    What kind of error it is, and so what becomes of it, stays.
    """
    try:
        yield
    except EmbedError as error:
        if any_sealed(texts) and (error.http_status or error.reason == UNUSABLE):
            status = f" (HTTP {error.http_status})" if error.http_status else ""
            error.what = (
                f"{host} did not embed a request in which texts of encrypted rows are{status}; "
                "its words are not shown, as they may repeat them."
            )
            error.args = (error.what,)
        raise
