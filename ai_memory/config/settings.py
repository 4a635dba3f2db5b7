"""All settings of one invocation; the only reader of the process's environment."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.config import embedding as embedding_settings
from ai_memory.config.file import Sourced, Table, config_home, expand, locate, read, worded
from ai_memory.config.key_settings import secrets
from ai_memory.config.unknown import warnings
from ai_memory.errors import ConfigRefused, EmbedderInitFailed
from ai_memory.system import trusted_file
from ai_memory.system.trusted_file import ALL_OF_OTHERS, Rule, trusted_users
from ai_memory.text.database_address import URL, URL_FILE, DatabaseAddress, is_address, path_of, secrets_in

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings

LONGEST_FILE = 65_536
DEFAULT_DB = Path("ai-memory.db")
Decide = Callable[["EmbeddingSettings", Path], "EmbeddingSettings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options, the environment and the config file ask for.

    `config_path` is the file that was read, None where none was. `key_dir` holds the keys of
    encrypted rows, None where there is no home folder. `warnings` are lines for stderr. `fault` is why the file was
    not read, None where it was. `decide` returns an embedder as it is used in a database: in which precision, a run has
    decided (docs/adr/0009).
    """

    db: Sourced[Path]
    config_path: Path | None
    key_dir: Sourced[Path | None]
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    warnings: tuple[str, ...] = ()
    config: Table = field(default_factory=Table, repr=False)
    fault: ConfigRefused | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    decide: Decide = field(default=lambda settings, _: settings, repr=False)

    @classmethod
    def gather(
        cls, args: argparse.Namespace, environ: Mapping[str, str], decide: Decide = lambda settings, _: settings
    ) -> Settings:
        """Return the settings of one invocation; mistakes in [embeddings] wait until it is asked for.

        Raises:
            UsageError: --config names no file.
            ConfigRefused: the config file, which may name the database, cannot be read or trusted; or a path in
                it or in the environment is none.
        """
        named = getattr(args, "config", None)
        # A file that is to be written is not there.
        writes = getattr(args, "writes_config", False)
        path = None if writes else locate(Path(named) if named else None, environ)
        db, fault = getattr(args, "db", None), None
        try:
            config = read(path, trusted_users(environ))
        except ConfigRefused as error:
            # It may name the database. Where something else does, what needs no embedder goes without the file.
            if not (db or environ.get("AI_MEMORY_DB", "").strip()):
                raise
            config, fault = Table(path), error
        return cls(
            db=_db(db, config, environ),
            config_path=path,
            key_dir=_key_dir(environ),
            json=bool(getattr(args, "json", False)),
            quiet=bool(getattr(args, "quiet", False)),
            verbose=bool(getattr(args, "verbose", False)),
            warnings=() if fault else warnings(config),
            config=config,
            fault=fault,
            environ=environ,
            decide=decide,
        )

    @property
    def embedding(self) -> EmbeddingSettings:
        """The resolved embedder.

        Raises:
            EmbedderInitFailed: its configuration makes no sense.
        """
        return self.decide(self.asked, self.db.value)

    @property
    def asked(self) -> EmbeddingSettings:
        """The resolved embedder as it is configured, whatever was decided for the database.

        Raises:
            EmbedderInitFailed: its configuration makes no sense.
        """
        self._require_read()
        return embedding_settings.resolve(self.config, self.environ)

    @property
    def previous(self) -> EmbeddingSettings | None:
        """The embedder of before, by which vectors are still searched that it made; None: not configured.

        Raises:
            EmbedderInitFailed: its configuration makes no sense.
        """
        self._require_read()
        found = embedding_settings.resolve_previous(self.config, self.environ)
        return self.decide(found, self.db.value) if found else None

    @property
    def backfill_on_boot(self) -> Sourced[str]:
        """When a server fills in missing vectors at its start; see `config.embedding`.

        Raises:
            EmbedderInitFailed: what is configured makes no sense.
        """
        self._require_read()
        return embedding_settings.backfill_on_boot(self.config)

    def _require_read(self) -> None:
        if self.fault:
            raise EmbedderInitFailed(self.fault.what, tip=self.fault.tip) from self.fault

    def secrets(self) -> tuple[str, ...]:
        """Return the keys that no message may show: whatever may be one is read, also where it is not in use."""
        place = self.db.value
        of_database = secrets_in(place.address) if isinstance(place, DatabaseAddress) else set()
        return (*secrets(self.config, self.environ), *sorted(of_database))


def _db(named: str | Path | None, config: Table, environ: Mapping[str, str]) -> Sourced[Path]:
    if named:
        return Sourced(Path(named) if isinstance(named, str) else named, "--db")
    if server := _server(environ):
        return server
    if place := _path(environ, "AI_MEMORY_DB"):
        return place
    if configured := config.text("db"):
        if is_address(configured.value):
            return Sourced(path_of(configured.value), configured.source)
        return Sourced(expand(configured, environ), configured.source)
    return Sourced(DEFAULT_DB, "default")


def _server(environ: Mapping[str, str]) -> Sourced[Path] | None:
    """Return the address of a server's database that the environment names, as the Rust program takes it."""
    source = f"env {URL}"
    told = environ.get(URL, "").strip()
    if file := _path(environ, URL_FILE):
        source = file.source
        name, users = f"the address's file {file.value}", trusted_users(environ)
        rule = Rule(name, ConfigRefused, LONGEST_FILE, ALL_OF_OTHERS, users)
        told = next(iter(trusted_file.read(file.value, rule).decode("utf-8", "replace").splitlines()), "").strip()
    if not told:
        return None
    if not is_address(told):
        raise ConfigRefused(
            f"{source} names no database on a server.",
            tip="Write postgresql://USER@HOST/DATABASE; for a file: --db PATH",
        )
    return Sourced(path_of(told), source)


def _key_dir(environ: Mapping[str, str]) -> Sourced[Path | None]:
    if place := _path(environ, "AI_MEMORY_KEY_DIR"):
        return Sourced(place.value, place.source)
    home = config_home(environ)
    return Sourced(home / "ai-memory" / "keys", "default") if home else Sourced(None, "no home folder is known")


def _path(environ: Mapping[str, str], name: str) -> Sourced[Path] | None:
    named = worded(environ.get(name, ""), f"env {name}", ConfigRefused)
    return Sourced(expand(named, environ), named.source) if named else None
