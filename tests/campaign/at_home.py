"""The whole life of a migration on a database of the Rust program, each step compared with the truth about its rows.

Usage: python -m tests.campaign.at_home [NAME …]    (prints a table; exit code 1: something was not as it should be)

A run is killed and resumed, verified, rolled back; a staged one is switched, switched back, moved into the rows and
rolled back; then our tables are dropped. At each step the vectors are those of the rows' own texts or those of before,
byte for byte, and nothing else has changed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT
from tests.support import files, shapes
from tests.support.command import Answer, Command, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

REAL = {
    "v0.7.0": "v0.7.0.rows.json",
    "v0.7.0-upgraded-by-0.10.0": "v0.7.0.rows.json",
    "v0.10.0": "v0.10.0.rows.json",
}
"""The real files, and where the truth about their rows is."""
KEYS = "keys-v0.10.0"
READING = ("stats", "namespaces", "doctor", "export", "list", "recall rolling", "reembed status", "reembed verify")
"""Commands that change nothing."""
CONFIG = """
[embeddings.previous]
backend = "openai-compatible"
base_url = "{url}"
model = "before"
dim = {dim}

[some_table_of_theirs]
which = "this program does not know"
"""
"""Says what made the vectors that nothing tells of: else a staged run begins only where there are none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One database: `texts` are the documents of the rows that are to be embedded, by id, `why` the others' reasons."""

    name: str
    path: Path
    texts: Mapping[str, str]
    why: Mapping[str, str]
    keys: Path | None = None

    @property
    def quarantined(self) -> int:
        """How many rows go into quarantine."""
        return sum(each.startswith("quarantine") for each in self.why.values())

    @property
    def code(self) -> int:
        """What a run ends with."""
        return 10 if self.quarantined or "no id" in self.why.values() else 0


@dataclass(slots=True)
class Line:
    """A line of the table."""

    name: str
    live: int
    done: int
    left: Mapping[str, int]
    changed: int
    code: int
    faults: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Return its cells as they are printed."""
        left = ", ".join(f"{count} {why}" for why, count in sorted(self.left.items())) or "none"
        return [self.name, f"{self.live}", f"{self.done}", left, f"{self.changed}", f"{self.code}"]


HEAD = ["file or shape", "live", "done", "left alone", "other columns changed", "exit code"]


def real_cases(data: Path, folder: Path) -> list[Case]:
    """Return copies of the real files; the last one twice, with the keys of its encrypted rows and without."""
    found = [_real(data, folder, name, keys=None) for name in REAL]
    keys = folder / KEYS
    shutil.copytree(data / KEYS, keys, copy_function=shutil.copyfile)
    for each in keys.iterdir():
        each.chmod(0o600)
    keys.chmod(0o700)
    return [*found, _real(data, folder, "v0.10.0", keys=keys)]


def _real(data: Path, folder: Path, name: str, *, keys: Path | None) -> Case:
    called = f"{name}, with keys" if keys else name
    path = folder / f"{called.replace(', ', '-').replace(' ', '-')}.db"
    shutil.copyfile(data / f"{name}.db", path)
    truth = json.loads((data / REAL[name]).read_text("utf-8"))
    embedded = {"plain", "encrypted"} if keys else {"plain"}
    reasons = {"encrypted": "quarantine: undecryptable", "expired": "expired", "substrate": "substrate"}
    texts = {row["id"]: f"{row['title']} {row['content']}" for row in truth if row["kind"] in embedded}
    why = {row["id"]: reasons[row["kind"]] for row in truth if row["kind"] not in embedded}
    return Case(called, path, texts, why, keys)


def shape_cases(folder: Path, versions: Sequence[int] = shapes.VERSIONS) -> list[Case]:
    """Return a database of each shape, with rows of every kind."""
    reasons = {
        shapes.EXPIRED: "expired",
        shapes.TOMBSTONED: "out of life",
        shapes.SUBSTRATE: "substrate",
        shapes.ENCRYPTED: "quarantine: undecryptable",
        shapes.NULL_ID: "no id",
        shapes.UNDECODABLE: "quarantine: undecodable",
        shapes.EMPTY: "quarantine: empty",
        shapes.OVERSIZE: "quarantine: oversize",
    }
    found = []
    for version in versions:
        shape = shapes.build(folder / f"schema-{version}.db", version)
        rows = shape.of_kind(*shapes.EMBEDDABLE)
        texts = {f"{row.id}": f"{row.title!s} {row.content!s}" for row in rows}
        why = {f"{row.id}": reasons[row.kind] for row in shape.rows if row.kind in reasons}
        found.append(Case(f"schema {version}", shape.path, texts, why))
    return found


class Life:
    """One case from the first look to the last."""

    def __init__(self, case: Case) -> None:
        """Remember how the database was; nothing is begun yet."""
        self.case = case
        self.faults: list[str] = []
        self.before = files.vectors(case.path)
        self.others = files.everything_else(case.path)
        self.whole = files.whole(case.path)

    def live_through(self) -> Line:
        """Do all steps and return what is told of them."""
        before = {"before": shapes.DIM}
        with FakeEndpoint(dim=16, also=before) as one, FakeEndpoint(dim=24, model="next", also=before) as other:
            first, second = self._command(one), self._command(other)
            self._look(first, "before")
            done = self._killed_and_resumed(first, one)
            self._look(first, "after a run")
            line = self._line(done)
            self._rolled_back(first)
            again = self._again(first, one)
            self._staged(second, one, other)
            self._rolled_back(second, to=lambda text: b"\x01" + one.vector(text).tobytes())
            self._rolled_back(second, "--run", f"{again}")
        self._uninstalled(first)
        line.faults = self.faults
        return line

    def _command(self, endpoint: FakeEndpoint) -> Command:
        keys = {"AI_MEMORY_KEY_DIR": str(self.case.keys)} if self.case.keys else {}
        folder = self.case.path.with_suffix(".home")
        config = folder / "ai-memory" / "config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(CONFIG.format(url=endpoint.url, dim=shapes.DIM), "utf-8")
        return Command(
            self.case.path, {**remote(endpoint), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), **keys}
        )

    def _line(self, done: Answer) -> Line:
        case, after = self.case, files.vectors(self.case.path)
        embedded = sum(after[each] != self.before[each] for each in case.texts)
        live = len(case.texts) + sum(each.startswith("quarantine") for each in case.why.values())
        return Line(case.name, live, embedded, Counter(case.why.values()), self._changed(), done.code)

    def _changed(self) -> int:
        """Return how many things other than vectors are not as they were."""
        now = files.everything_else(self.case.path)
        return sum(now.get(name) != rows for name, rows in self.others.items()) + len(now.keys() - self.others.keys())

    def _look(self, command: Command, when: str) -> None:
        stood = files.vectors(self.case.path)
        for words in READING:
            answer = command.run(*words.split())
            self._expect(answer.code in (0, 1) and "Traceback" not in answer.err, f"{words} {when}", answer)
        self._require(files.vectors(self.case.path) == stood, f"reading {when} changed a vector")
        self._require(not self._changed(), f"reading {when} changed something")

    def _killed_and_resumed(self, command: Command, endpoint: FakeEndpoint) -> Answer:
        begun = command.start("reembed", "--json", "--batch", "3", "--sleep-ms", "300")
        wait_for(lambda: self._is_embedded(endpoint) >= 3 or begun.poll() is not None, seconds=100)
        kill(begun)
        self._require(0 < self._is_embedded(endpoint) < len(self.case.texts), "it was not killed half-way")
        answer = command.reembed("--resume", "--batch", "5")
        self._expect(answer.code == self.case.code, "the resumed run", answer)
        self._vectors_of("the resumed run", lambda text: b"\x01" + endpoint.vector(text).tobytes())
        return answer

    def _is_embedded(self, endpoint: FakeEndpoint) -> int:
        stored = files.vectors(self.case.path)
        return sum(stored[each] == b"\x01" + endpoint.vector(text).tobytes() for each, text in self.case.texts.items())

    def _rolled_back(self, command: Command, *words: str, to: Callable[[str], bytes] | None = None) -> None:
        answer = command.run("reembed", "rollback", "--yes", *words)
        self._expect(answer.code == 0, f"rollback {' '.join(words)}", answer)
        self._vectors_of(f"rollback {' '.join(words)}", to)

    def _again(self, command: Command, endpoint: FakeEndpoint) -> int:
        """Run once more, and return the number of that run."""
        sent = sum(endpoint.seen.texts[text] for text in self.case.texts.values())
        answer = command.reembed()
        self._expect(answer.code == self.case.code, "the second run", answer)
        self._vectors_of("the second run", lambda text: b"\x01" + endpoint.vector(text).tobytes())
        again = sum(endpoint.seen.texts[text] for text in self.case.texts.values()) - sent
        # What the first run made is kept by the rollback, and taken again; some rows are asked again.
        self._require(again < len(self.case.texts), f"the second run sent {again} texts again")
        return int(answer.json["run_id"])

    def _staged(self, command: Command, one: FakeEndpoint, other: FakeEndpoint) -> None:
        accepted = ["--accept-quarantined"] if self.case.code else []
        for words in (["--staged"], ["switch", "--no-wait", *accepted], ["switch", "--back"], ["--staged"]):
            answer = command.run("reembed", *words)
            self._expect(answer.code in (0, self.case.code), " ".join(words), answer)
            self._vectors_of(" ".join(words), lambda text: b"\x01" + one.vector(text).tobytes())
        answer = command.run("reembed", "switch", *accepted)
        self._expect(answer.code in (0, self.case.code), "switch", answer)
        self._vectors_of("switch", lambda text: b"\x01" + other.vector(text).tobytes())

    def _uninstalled(self, command: Command) -> None:
        answer = command.run("uninstall-tables", "--yes")
        self._expect(answer.code == 0, "uninstall-tables", answer)
        now = files.whole(self.case.path)
        # A trigger without a scope has rewritten the insides of the word index, which holds the same.
        inside = (
            {name for name in now if name.startswith(files.FTS_INSIDES)} if "schema 52" in self.case.name else set()
        )
        differing = [name for name in now.keys() | self.whole.keys() if now.get(name) != self.whole.get(name)]
        differing = [name for name in differing if name not in inside and (now.get(name) or self.whole.get(name))]
        self._require(not differing, f"after uninstall-tables other than before: {differing}")
        self._require(files.integrity(self.case.path) == "ok", "the file is not sound")

    def _vectors_of(self, step: str, of: Callable[[str], bytes] | None) -> None:
        """Require the vectors of the texts as `of` makes them (None: those of before), and all others as before."""
        found = files.vectors(self.case.path)
        expected = self.before | ({each: of(text) for each, text in self.case.texts.items()} if of else {})
        wrong = [each for each in expected if found[each] != expected[each]]
        self._require(not wrong, f"{step}: {len(wrong)} vectors are not what they should be")
        self._require(not self._changed(), f"{step} changed other columns")

    def _expect(self, held: bool, step: str, answer: Answer) -> None:
        self._require(held, f"{step} ended with {answer.code}: {answer.err[-600:]}")

    def _require(self, held: bool, fault: str) -> None:
        if not held:
            self.faults.append(fault)


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table in Markdown."""
    rows = [HEAD, ["---"] * len(HEAD), *(each.cells() for each in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(wanted: Sequence[str]) -> int:
    """Print the table of the cases, those `wanted` by name where some are, and return the exit code."""
    named = os.environ.get("AI_MEMORY_UPSTREAM_DATA")
    data = Path(named) if named else ROOT.parent / "shared" / "data" / "upstream"
    with tempfile.TemporaryDirectory() as folder:
        cases = shape_cases(Path(folder))
        if (data / "v0.10.0.db").is_file():
            cases = [*real_cases(data, Path(folder)), *cases]
        else:
            sys.stderr.write("The real files are not here; AI_MEMORY_UPSTREAM_DATA names their folder.\n")
        lines = [Life(case).live_through() for case in cases if not wanted or case.name in wanted]
    sys.stdout.write(f"{table(lines)}\n")
    for line in lines:
        for fault in line.faults:
            sys.stderr.write(f"{line.name}: {fault}\n")
    return 1 if any(line.faults for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
