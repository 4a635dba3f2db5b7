"""The flags and sub-commands of `reembed`, as the parser takes them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ai_memory.commands.arguments import (
    duration,
    embedders,
    money,
    named_path,
    point_in_time,
    sample_size,
    whole_number,
    window,
)
from ai_memory.commands.parser import add_global_flags, summed_up

VERBS = {
    "status": "show the recorded run from its own counters: its state and why, rows, rate, what to type next",
    "history": "list all runs, the latest first: what each did, its rate, what it cost, how its last start ended",
    "report": "write a page about the recorded run, with graphs, for people who do not type",
    "verify": "take the census: exit 0 if every live row has the configured target's vector, 1 if not",
    "quarantine": "list the rows that could not be embedded, each with its title and the reason",
    "approve": "let unattended starts (--or-start) go to the configured target",
    "pause": "end the run within a batch, or 10 s without an answer, and let none begin until it is unpaused",
    "unpause": "lift the pause",
    "cancel": "give up the unfinished run and its approval; vectors already written stay, staged ones are dropped",
    "rehearse": "try the configured target on a sample: what would change, what it would take; nothing is written",
    "switch": "serve what a staged run put beside the memories, then move it into them; --back: what was served before",
    "rollback": "put back what the latest run replaced, resumably, and withdraw its approval",
    "prune": "drop what was kept of replaced vectors: there is no way back then",
}
OF_A_START = (
    "resume",
    "or_start",
    "retarget",
    "namespace",
    "order",
    "dry_run",
    "probe",
    "batch",
    "sleep_ms",
    "max_lag",
    "max_rows",
    "max_tokens",
    "max_cost",
    "max_runtime",
    "window",
    "concurrency",
    "embedders",
    "retry_for",
    "wait",
    "retry_quarantined",
    "skip_current_space",
    "same_vectors",
    "stamp_only",
    "compared",
    "no_undo",
    "staged",
    "auto_switch",
    "backup",
    "yes",
    "on_end",
    "metrics_file",
    "log_file",
    "log_format",
)
"""The flags of a start, as attributes."""
NOT_GIVEN: Mapping[str, object] = {"retry_for": 120.0}
"""What an attribute is where its flag was not given, if that is neither None nor False nor 0."""
OF_OBSERVERS = ("on_end", "metrics_file", "log_file", "log_format")
"""The flags by which others hear of a start."""
OF_A_ROLLBACK = frozenset(
    {"resume", "or_start", "dry_run", "yes", "batch", "max_rows", "max_runtime", "window", *OF_OBSERVERS}
)
"""The flags that hold where a start goes on with a rollback."""
OF_REQUESTS = frozenset({"max_tokens", "max_cost", "concurrency", "embedders", "retry_for", "wait"})
"""The flags that limit requests: where none is sent they hold by themselves."""
MAX_LAG = "pause while a replica of the PostgreSQL server is further behind"
LOG_FORMATS = ("text", "json")
ORDERS = ("namespace", "hot")
MOST = 10**12
GIVEN_BEFORE = argparse.SUPPRESS
"""The default of a flag of a sub-command that holds, too, where it was given before that."""
Add = Callable[..., object]
"""`add_argument` of a parser."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run, and the sub-commands."""
    _add_starts(parser.add_argument)
    _add_limits(parser.add_argument)
    _add_vectors(parser.add_argument)
    verbs: Any = parser.add_subparsers(title="commands on the recorded run", metavar="VERB", dest="verb")
    for verb, summary in VERBS.items():
        below = verbs.add_parser(verb, **summed_up(summary))
        add_global_flags(below)
        below.set_defaults(takes=_added(below, FLAGS[verb]) if verb in FLAGS else frozenset())


def _added(parser: argparse.ArgumentParser, add_to: Callable[[Add], None]) -> frozenset[str]:
    """Add the flags of a sub-command, and return the attributes that they set."""
    attributes: set[str] = set()
    add_to(lambda *names, **options: attributes.add(parser.add_argument(*names, **options).dest))
    return frozenset(attributes)


def given(args: argparse.Namespace) -> list[str]:
    """Return the attributes of the flags of a start that were given."""
    values = vars(args)
    return [each for each in OF_A_START if (values[each] or None) != NOT_GIVEN.get(each)]


def named(attributes: Iterable[str]) -> str:
    """Return the words for flags."""
    return " or ".join(f"--{'sample' if each == 'compared' else each.replace('_', '-')}" for each in attributes)


def _add_starts(add: Add) -> None:
    add("--resume", action="store_true", help="continue the unfinished run where it stopped")
    add("--or-start", action="store_true", help="with --resume: start one to an approved target if none is unfinished")
    add("--retarget", action="store_true", help="give up the unfinished run and start one to the configured target")
    add("--namespace", action="append", metavar="NS", help="only this namespace, exactly (repeatable)")
    add("--order", choices=ORDERS, help="hot: rows that are read often and lately first (default: namespace)")
    add("--dry-run", action="store_true", help="show what would be done; nothing is written or sent")
    add("--probe", action="store_true", help="with --dry-run: ask the target for short texts; time a local model")


def _add_limits(add: Add) -> None:
    add("--batch", type=whole_number(1, 10_000), metavar="N", help="texts per request and commit")
    add("--sleep-ms", type=whole_number(0, 300_000), default=0, metavar="N", help="pause after each commit")
    add("--max-lag", type=duration, metavar="DURATION", help=MAX_LAG)
    add("--max-rows", type=whole_number(1, MOST), metavar="N", help="stop after N rows (exit 75)")
    add(
        "--max-tokens",
        type=whole_number(1, MOST),
        metavar="N",
        help="stop before more than N tokens are spent (exit 75)",
    )
    add("--max-cost", type=money, metavar="X", help="the same in money, at [embeddings].price_per_million_tokens")
    add(
        "--max-runtime",
        type=duration,
        metavar="DURATION",
        help="stop after this time, like 20m or 2h, and at most 10 s for requests in flight (exit 75)",
    )
    add(
        "--window",
        type=window,
        metavar="HH:MM-HH:MM",
        help="work only from the one time to the other of each day, by the clock of this machine (exit 75)",
    )
    add("--concurrency", type=whole_number(1, 256), metavar="N", help="requests in flight (default: found by trial)")
    add(
        "--embedders",
        type=embedders,
        metavar="N|ray|ray://HOST:PORT",
        help="processes that load a local model, the cores divided among them (default: this one alone); ray: a"
        " worker for each core of this machine, by Ray; ray://HOST:PORT: of a Ray cluster",
    )
    add("--retry-for", type=duration, default=120.0, metavar="DURATION", help="how long to retry a request (120s)")
    add("--wait", type=duration, default=0.0, metavar="DURATION", help="how long to wait for an endpoint that failed")


def _add_vectors(add: Add) -> None:
    add("--retry-quarantined", action="store_true", help="try the rows in quarantine again")
    add("--skip-current-space", action="store_true", help="accept rows stamped with the target's space as they are")
    add("--same-vectors", action="store_true", help="accept vectors that the file has under another model's name")
    add("--stamp-only", action="store_true", help="stamp the stored vectors as the target's, if some agree with it")
    add(
        "--sample",
        type=sample_size,
        dest="compared",
        metavar="N|all",
        help="with --stamp-only: compare N vectors first (300), or stamp only those of all that agree",
    )
    add("--staged", action="store_true", help="put new vectors beside the old ones, which are served until the switch")
    add("--auto-switch", action="store_true", help="switch to a staged run once it is ready")
    add("--no-undo", action="store_true", help="keep nothing of what is replaced: rollback is not possible then")
    add("--backup", type=named_path, metavar="FILE", help="copy the database to FILE before the first write")
    add("--yes", action="store_true", help="do not ask before vectors are replaced")
    add("--metrics-file", type=named_path, metavar="FILE", help="keep figures for Prometheus in FILE, like F.prom")
    add("--log-file", type=named_path, metavar="FILE", help="append a line to FILE for each event (-: to stderr)")
    add("--log-format", choices=LOG_FORMATS, metavar="text|json", help="how those lines are written (default: text)")
    add("--on-end", metavar="CMD", help="run CMD with the result as JSON on its standard input, however the start ends")


def _add_pause(add: Add) -> None:
    add("--until", type=point_in_time, metavar="TIME", help="like 07:30, or RFC 3339")
    add("--reason", default="", metavar="TEXT", help="why: shown to whoever meets the pause")


def _add_status(add: Add) -> None:
    add("--exact", action="store_true", help="count the rows anew, which reads the whole file")
    add(
        "--watch",
        type=whole_number(1, 86_400),
        nargs="?",
        const=2,
        metavar="SECONDS",
        help="show it again after so many seconds (2), until nobody works on the run",
    )
    add("--check", action="store_true", help="show its state in one line; exit 0 healthy, 1 needs somebody, 75 waiting")


def _add_history(add: Add) -> None:
    add("--limit", type=whole_number(1, MOST), metavar="N", help="only the latest N")


def _add_report(add: Add) -> None:
    add("--html", type=named_path, metavar="FILE", required=True, help="the page: one file, to open in a browser")


def _add_verify(add: Add) -> None:
    add("--sample", type=sample_size, metavar="N|all", help="embed N fresh rows again and compare")
    add("--run", action="store_true", dest="of_run", help="judge the namespaces and target of the recorded run")
    add("--make-stale", action="store_true", help="with --sample: have the next run embed the rows that differ anew")


def _add_switch(add: Add) -> None:
    add("--back", action="store_true", help="serve what was served before, and withdraw the approval")
    add("--accept-quarantined", action="store_true", help="switch though rows in quarantine are found by words only")
    add("--no-wait", action="store_true", help="move nothing into the memories yet: --resume does it")
    add("--max-lag", type=duration, metavar="DURATION", default=GIVEN_BEFORE, help=MAX_LAG)
    _add_ends(add, "stop moving")


def _add_rollback(add: Add) -> None:
    add("--run", type=whole_number(1, MOST), metavar="N", dest="since", help="undo run N and all after it")
    add("--dry-run", action="store_true", default=GIVEN_BEFORE, help="show what would be put back; nothing is written")
    _add_ends(add, "stop")
    add("--yes", action="store_true", default=GIVEN_BEFORE, help="do not ask before")


def _add_ends(add: Add, stop: str) -> None:
    rows, time = f"{stop} after N rows (exit 75)", "stop after this time (exit 75)"
    add("--max-rows", type=whole_number(1, MOST), metavar="N", default=GIVEN_BEFORE, help=rows)
    add("--max-runtime", type=duration, metavar="DURATION", default=GIVEN_BEFORE, help=time)


def _add_prune(add: Add) -> None:
    add("--vacuum", action="store_true", help="give the room back to the file system")
    add("--yes", action="store_true", default=GIVEN_BEFORE, help="do not ask before")


def _add_rehearse(add: Add) -> None:
    add("--sample", type=whole_number(1, 100_000), default=300, metavar="N", help="rows to embed (300)")
    add(
        "--queries", type=named_path, metavar="FILE", help="search by these, as recall --queries takes them, not titles"
    )
    add("--judgements", type=named_path, metavar="FILE", help="what is right, as evaluate takes it")
    add(
        "--retry-for",
        type=duration,
        default=GIVEN_BEFORE,
        metavar="DURATION",
        help="how long to retry a request (120s)",
    )


FLAGS: Mapping[str, Callable[[Add], None]] = {
    "pause": _add_pause,
    "status": _add_status,
    "history": _add_history,
    "report": _add_report,
    "verify": _add_verify,
    "rehearse": _add_rehearse,
    "switch": _add_switch,
    "rollback": _add_rollback,
    "prune": _add_prune,
}
"""What adds the flags of a sub-command that has some of its own."""
