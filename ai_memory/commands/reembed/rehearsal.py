"""What a rehearsal found, for a person and for a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.actions.rehearse import Compared
from ai_memory.actions.sample import Taken
from ai_memory.commands.reembed.plan_lines import cut_line, refused_line, taken_line
from ai_memory.frozen import Frozen, field
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.plan.estimate import Load
from ai_memory.text.amounts import counted, money, span

if TYPE_CHECKING:
    from ai_memory.actions.rehearse import Quality
    from ai_memory.memory.freshness import Document
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.dry_run import DryRun
    from ai_memory.show.console import Console
    from ai_memory.vectors.target import Target

SHOWN = 3
"""Rows that are named to a person."""
NOTHING = "There is no row to embed."
IN_TURN = ", one request after the other"


class Asked(Frozen):
    """By what the sample was searched: "titles", "queries" or "judged queries".

    `left_out` queries have no right answer in it, `outside` judgements are of other rows. MRR is by `titles` rows, 0
    where people said what is right.
    """

    by: str = "titles"
    titles: int = 0
    left_out: int = 0
    outside: int = 0


class Rehearsal(Frozen):
    """What was planned, what the sample took, and how it is found; `notes` say what could not be compared.

    `spent` are the tokens that the target charged in all, 0 where it does not say.
    """

    planned: DryRun
    target: Target
    options: Options
    count_tokens: Callable[[str], int] | None
    taken: Taken = field(default_factory=Taken)
    asked: Asked = field(default_factory=Asked)
    compared: Compared = field(default_factory=Compared)
    notes: tuple[str, ...] = ()
    spent: int = 0

    @property
    def rows(self) -> int:
        """Rows that a run would embed."""
        return self.planned.preflight.to_send

    @property
    def tokens(self) -> int:
        """Tokens that a run would send."""
        return self.taken.tokens_as_counted(self.planned.estimated_tokens, self._counted)

    @property
    def seconds(self) -> float | None:
        """How long a run would take if each text took as long as one of the sample; None without a sample."""
        sampled = len(self.taken.outcomes)
        return self.planned.texts * self.taken.seconds / sampled if sampled else None

    def _counted(self, document: Document) -> int:
        load = Load(self.target.max_tokens, self.count_tokens)
        load.add(document)
        return load.tokens

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        planned, taken, target = self.planned, self.taken, self.target
        return {
            "target_model": target.model,
            "target_dim": target.dim or None,
            "target_space": target.space,
            "backend": target.backend,
            "total_rows": planned.preflight.census.live,
            "sampled_rows": len(taken.outcomes),
            "embedded_rows": len(taken.embedded),
            "refused": [{"id": each.document.id, "reason": each.reason.message} for each in taken.refused],
            "unanswered": [{"id": each.document.id, "reason": each.message} for each in taken.unanswered],
            **self._search(),
            **self._cost(),
            "notes": list(self.notes),
        }

    def _search(self) -> dict[str, object]:
        found = self.compared
        return {
            "searched_by": self.asked.by,
            "queries": found.questions,
            "titles": self.asked.titles,
            "queries_left_out": self.asked.left_out,
            "judgements_left_out": self.asked.outside,
            "searchable_now": found.searchable,
            "overlap_at_10": None if found.overlap is None else round(found.overlap, 4),
            "now": _figures(found.now),
            "target": _figures(found.target),
        }

    def _cost(self) -> dict[str, object]:
        planned, seconds = self.planned, self.seconds
        return {
            "spent_tokens": self.spent or None,
            "spent_cost": self.options.cost_of(self.spent) if self.spent else None,
            "sample_seconds": round(self.taken.seconds, 3),
            "rows_to_embed": self.rows,
            "estimated_tokens": self.tokens,
            "estimated_cost": self.options.cost_of(self.tokens),
            "estimated_seconds": None if seconds is None else round(seconds, 1),
            "estimated_refused": self.taken.whole(self.rows, len(self.taken.refused)),
            "truncated_rows": planned.truncated_rows,
            "lost_percent": planned.lost_percent,
            "oversize_rows": planned.oversize_rows,
            "refused_with": planned.refusal.exit_code if planned.refusal else None,
            "refusal": planned.refusal.line() if planned.refusal else None,
        }


def _figures(quality: Quality | None) -> dict[str, object] | None:
    if quality is None:
        return None
    found = asdict(quality)
    return {f"{name}_at_10": None if found[name] is None else round(found[name], 4) for name in ("ndcg", "mrr")}


def show(found: Rehearsal, console: Console) -> None:
    """Show it."""
    console.result(found.values(), *filter(None, _lines(found)))


def _lines(found: Rehearsal) -> Iterator[str]:
    if not found.taken.outcomes:
        yield NOTHING
        return
    yield from _of_search(found)
    yield from found.notes
    yield from _of_rows(found)
    yield from _of_all(found)


def _of_search(found: Rehearsal) -> Iterator[str]:
    target, rows = found.target, counted(len(found.taken.embedded), "row")
    yield f"Target: {target.model} on {target.backend}, {target.dim} wide, {target.space}"
    asked, compared = found.asked, found.compared
    mrr = f"; MRR by {asked.titles:,} titles" if asked.titles and asked.by != "titles" else ""
    yield f"Searched: {rows}, by {compared.questions:,} {asked.by}{mrr}"
    yield from _table(compared.now, compared.target)
    if compared.overlap is not None:
        yield f"The first ten have {compared.overlap:.0%} in common."
    if asked.left_out or asked.outside:
        queries = counted(asked.left_out, "query", "queries")
        judgements = counted(asked.outside, "judgement")
        yield f"Left out: {queries} without a right answer in the sample, {judgements} of rows outside it."


def _table(now: Quality | None, target: Quality | None) -> Iterator[str]:
    if target:
        yield f"{'':<10}  {'now':>6}  {'target':>6}"
    for name, key in (("nDCG@10", "ndcg"), ("MRR@10", "mrr")):
        figures = [None if each is None else getattr(each, key) for each in (now, target)]
        if any(each is not None for each in figures):
            yield f"{name:<10}  {_number(figures[0]):>6}  {_number(figures[1]):>6}"


def _number(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.4f}"


def _of_rows(found: Rehearsal) -> Iterator[str]:
    """Yield what became of rows that have no vector."""
    refused, unanswered = found.taken.refused, found.taken.unanswered
    if refused:
        of_all = found.taken.whole(found.rows, len(refused))
        yield f"{counted(len(refused), 'row was', 'rows were')} refused; of all that would be about {of_all:,}:"
        yield from (f"  {printable(each.document.id)}: {each.reason.message}" for each in refused[:SHOWN])
    if unanswered:
        yield f"{counted(len(unanswered), 'row', 'rows')} got no answer: {unanswered[0].message}"


def _of_all(found: Rehearsal) -> Iterator[str]:
    """Yield what a run would take."""
    if found.spent:
        cost = found.options.cost_of(found.spent)
        yield f"This took {counted(found.spent, 'token')}{'' if cost is None else f' for {money(cost)}'}."
    if found.rows:
        cost = found.options.cost_of(found.tokens)
        paid = "" if cost is None else f" for {money(cost)}"
        time = span(max(found.seconds or 0, 1) * 1000)
        yield (
            f"A run would embed {counted(found.rows, 'row')}: about {counted(found.tokens, 'token')}{paid}, and {time} "
            f"if each row takes as long as in the sample{'' if found.target.is_local else IN_TURN}."
        )
        yield cut_line(found.planned)
    else:
        yield "A run would embed nothing."
    yield taken_line(found.planned)
    yield refused_line(found.planned.refusal)
