"""What the calls of a server share: the configuration, an open search, its models and vectors, what was started."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from ai_memory.actions.kept_vectors import KeptVectors
from ai_memory.commands.mcp.models import Models
from ai_memory.commands.open_search import Doors, open_search
from ai_memory.commands.teller import Notes
from ai_memory.errors import AiMemoryError
from ai_memory.text.database_address import URL, URL_FILE, DatabaseAddress
from ai_memory.text.hints import options_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ai_memory.commands.mcp.started import Started
    from ai_memory.commands.open_search import OpenSearch
    from ai_memory.commands.teller import Teller
    from ai_memory.config.settings import Settings
    from ai_memory.text.hints import Hints


class Desk:
    """Where tools find what they work with; `search` is for one thread, all else for any."""

    def __init__(self, gather: Callable[[], Settings], settings: Settings, config: Path | None) -> None:
        """Ask `gather` for the settings at each call: somebody may change the configuration while the server runs.

        `settings` are those of the start; `config` is the file that the command line names.
        """
        self._gather = gather
        self._latest = settings
        self._config = config
        self.models = Models()
        self.vectors = KeptVectors(monotonic)
        self.started: Started | None = None
        self.starting = Lock()
        self._unheard: deque[str] = deque()
        self._opened = ExitStack()
        self._search: OpenSearch | None = None
        self._of: object = None
        self._teller: Teller = Notes()

    def settings(self) -> Settings:
        """Return the settings as they are configured now.

        Raises:
            ConfigRefused: the config file cannot be read.
        """
        self._latest = self._gather()
        return self._latest

    def keys(self) -> tuple[str, ...]:
        """Return the keys that no answer may show, as far as the configuration was read."""
        return self._latest.secrets()

    def hints(self, hints: Hints) -> Hints:
        """Return hints that name the files of the latest settings: whoever reads one is not where the server runs."""
        return replace(hints, options=options_of(self._latest.db.value.absolute(), self._config))

    def options(self, settings: Settings) -> list[str]:
        """Return the global options by which a process of its own finds the files of these settings."""
        db = settings.db.value
        named = [] if isinstance(db, DatabaseAddress) else ["--db", str(db.absolute())]
        return [*named, *(["--config", str(self._config)] if self._config else [])]

    def environ(self, settings: Settings) -> dict[str, str]:
        """Return what leads such a process to a server: an address has a password, and who runs `ps` sees arguments."""
        db = settings.db.value
        return {URL: db.address, URL_FILE: ""} if isinstance(db, DatabaseAddress) else {}

    def search(self, teller: Teller) -> OpenSearch:
        """Return the search, opened again where somebody changed the configuration or put another file in its place.

        Raises:
            ConfigRefused: the config file cannot be read.
            DataRefused: the database is not there, or cannot be read.
        """
        settings, self._teller = self.settings(), teller
        of = settings.db.value, settings.config
        if self._search is None or of != self._of:
            self.close()
            self._search, self._of = self._opened.enter_context(open_search(self._doors(settings))), of
        try:
            self._search.follow()
        except AiMemoryError:
            self.close()
            raise
        return self._search

    def tell_once(self, text: str) -> None:
        """Have the next answer note what happened beside all calls."""
        self._unheard.append(text)

    def pass_on(self, teller: Teller) -> None:
        """Tell what no answer has noted yet."""
        with suppress(IndexError):
            while True:
                teller.note(self._unheard.popleft())

    def close(self) -> None:
        """Close the database; the models stay."""
        self._search = None
        self._opened.close()

    def _doors(self, settings: Settings) -> Doors:
        from ai_memory.commands.choose_embedders import choose
        from ai_memory.commands.known_witness import local_ties, witness_of
        from ai_memory.commands.query_embedders import QueryEmbedders
        from ai_memory.stores.opening import reading

        ties = partial(local_ties, witness=witness_of(lambda: reading(settings.db.value)), tell=self._tell)
        return Doors(
            lambda: reading(settings.db.value, tell=self._tell),
            lambda library: choose(library.store, settings),
            lambda chosen: QueryEmbedders.of(chosen, ties, make=self.models.make),
        )

    def _tell(self, text: str) -> None:
        self._teller.note(text)
