"""The arguments by which `store` is given a memory, and the memory that they describe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from ai_memory.errors import UsageError
from ai_memory.memory.records import DEFAULT_NAMESPACE, Draft, Value
from ai_memory.memory.rules import TIERS, first_fault
from ai_memory.memory.text_codec import is_text
from ai_memory.text.strict_json import compact

STDIN = "-"


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the columns of the memory."""
    parser.add_argument("-T", "--title", required=True, help="the title, unique in its namespace")
    parser.add_argument("-c", "--content", required=True, help="the content; - reads it from stdin")
    parser.add_argument("-n", "--namespace", metavar="NS", default=DEFAULT_NAMESPACE, help="default: global")
    parser.add_argument("-t", "--tier", choices=TIERS, help="default: mid")
    parser.add_argument("--tags", metavar="A,B", help="tags, separated by commas")
    parser.add_argument("-p", "--priority", type=int, metavar="1..10", help="default: 5")


def draft_of(args: argparse.Namespace) -> Draft:
    """Return what `store` was given; a content of `-` is read from stdin.

    Raises:
        UsageError: it is not UTF-8, or breaks a rule.
    """
    values: dict[str, Value] = {
        "title": args.title,
        "content": _stdin() if args.content == STDIN else args.content,
        "namespace": args.namespace,
        "tier": args.tier,
        "tags": None if args.tags is None else compact([tag.strip() for tag in args.tags.split(",") if tag.strip()]),
        "priority": args.priority,
    }
    return checked(values)


def checked(values: Mapping[str, Value]) -> Draft:
    """Return the memory that somebody wants stored; None says nothing of a column.

    Raises:
        UsageError: it is not UTF-8, or breaks a rule.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if broken := [name for name, value in given.items() if isinstance(value, str) and not is_text(value)]:
        raise UsageError(f"The memory's {broken[0]} is not UTF-8.", tip="Nothing was stored.")
    if fault := first_fault(given):
        raise UsageError(f"The memory's {fault}.", tip="Nothing was stored.")
    return Draft(given, "the memory")


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin is not UTF-8: byte {error.start + 1}.", tip="Convert it first.") from error
