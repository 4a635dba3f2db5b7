"""Runs one command line in a folder of its own, in this process, and judges what it left and said."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ai_memory.cli import main

KEY = "zQ7-Kp2.Wm9_Xr4=Tb6~Lc8"
"""The endpoint's key: of no known vendor's form, so that nothing but the program's own care keeps it back."""
KEY_GIVEN = {"AI_MEMORY_EMBED_API_KEY": KEY}
LONGEST_PART = 8
"""No part of the key as long as this may be shown or stored."""
CODES = frozenset({0, 2, 3, 4, 10, 11, 12, 64, 65, 66, 69, 74, 75, 77, 78})
FINDERS = ("doctor", "verify")
"""Commands that answer 1 when they found something; from all others it is a bug."""
SECONDS = 20
FILES = ("m.db", "b.db", "c.toml", "in.jsonl", "key", "model", "home", ".cache")
"""What may lie in the folder, each with whatever SQLite and the lock put beside it."""


@dataclass(frozen=True, slots=True)
class Said:
    """Exit code and both streams of one command line."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str


class Broken(BaseException):
    """A rule that one input broke; nothing that handles errors may take it for one."""


@dataclass(slots=True)
class Sandbox:
    """A folder to work in, and another beside it that nothing may touch.

    `secret`: the input did not itself put the key into a file whose texts are shown.
    """

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    secret: bool = True

    @property
    def box(self) -> Path:
        """The folder in which commands run."""
        return self.root / "box"

    @property
    def db(self) -> Path:
        """The database that commands work on."""
        return self.box / "m.db"

    def clear(self) -> None:
        """Begin anew, with an empty folder and a full one beside it."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.box / "home").mkdir(parents=True)
        outside = self.root / "outside"
        outside.mkdir()
        (outside / "private").write_text("precious")
        (outside / "private").chmod(0o600)

    def run(self, *words: str) -> Said:
        """Run one command line and return what it said.

        Raises:
            Broken: it ended with a traceback, or broke another rule.
        """
        outside = _tree(self.root / "outside")
        said = self._run(words)
        self._judge(said)
        if _tree(self.root / "outside") != outside:
            raise Broken(f"{words} wrote outside of its folder")
        return said

    def _run(self, words: Sequence[str]) -> Said:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in "oe")
        with self._within(out, err):
            code = main(list(words))
        return Said(tuple(words), code, *(_text(stream) for stream in (out, err)))

    @contextmanager
    def _within(self, out: io.TextIOWrapper, err: io.TextIOWrapper) -> Iterator[None]:
        streams, environ, folder = (sys.stdin, sys.stdout, sys.stderr), dict(os.environ), Path.cwd()
        sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO()), out, err
        home = str(self.box / "home")
        os.environ.clear()
        os.environ.update({"PATH": environ["PATH"], "HOME": home, "AI_MEMORY_DB": "m.db", **KEY_GIVEN, **self.environ})
        os.chdir(self.box)
        signal.signal(signal.SIGALRM, _too_slow)
        signal.alarm(SECONDS)
        try:
            yield
        except Broken:
            raise
        except SystemExit as left:
            raise Broken(f"exit by SystemExit({left.code}): {_text(err)[-1500:]}") from left
        except Exception as error:
            raise Broken(f"traceback: {type(error).__name__}: {error}") from error
        finally:
            signal.alarm(0)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environ)
            sys.stdin, sys.stdout, sys.stderr = streams

    def _judge(self, said: Said) -> None:
        everything = said.out + said.err
        if "Traceback" in everything and "-v" not in said.words:
            raise Broken("a traceback was printed")
        if said.code not in CODES and not (said.code == 1 and set(said.words) & set(FINDERS)):
            raise Broken(f"exit code {said.code}: {said.err[-300:]!r}")
        if escape := next((each for each in everything if _escapes(each)), ""):
            raise Broken(f"{escape!r} reached the terminal")
        if self.secret and (part := shown_part(everything) or self._stored_part()):
            raise Broken(f"{part!r} of the key was shown or stored")
        lines = [line for line in said.err.splitlines() if line.startswith("ai-memory: error: ")]
        if said.code not in (0, 1, 10, 75) and len(lines) != 1:
            raise Broken(f"exit code {said.code} with {len(lines)} lines of error")
        if strangers := [each for each in os.listdir(self.box) if not each.startswith(FILES)]:  # noqa: PTH208 - names only
            raise Broken(f"{strangers} were made beside the database")

    def _stored_part(self) -> str:
        names = [each for each in self.box.glob("m.db*") if each.is_file() and not each.is_symlink()]
        return next(filter(None, (shown_part(each.read_bytes().decode("latin-1")) for each in names)), "")


def shown_part(text: str) -> str:
    """Return a part of the key that stands in a text, also with what cannot be seen in between; empty if none does."""
    seen = "".join(each for each in text if each in KEY)
    parts = (KEY[start : start + LONGEST_PART] for start in range(len(KEY) - LONGEST_PART + 1))
    return next((part for part in parts if part in text or (part in seen and part in _visible(text))), "")


def _visible(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) not in ("Cc", "Cf", "Zs", "Mn"))


def _escapes(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    found: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return found.decode("utf-8")


def _tree(folder: Path) -> list[tuple[str, int, int, int]]:
    found = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return [(str(path), at.st_size, at.st_mode, at.st_mtime_ns) for path, at in found]


def _too_slow(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Broken(f"no end within {SECONDS} s")
