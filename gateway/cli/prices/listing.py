"""What the `prices` commands share: finding a model by the name that a user has for it, and lines in columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import click

from gateway.adapters.clock import SystemClock
from gateway.cli.rules import compile_rules, rules_or_shipped, snapshot_or_exit
from gateway.config import catalogue
from gateway.config.registry import seller_of
from gateway.domain.price import Catalogue, CatalogueModel, PriceHistory
from gateway.domain.registry import Model
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import Dialect

ON_OPTION = click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The day (UTC) whose price counts, as 2026-11-22.  [default: today]",
)
ALL_OPTION = click.option("--all", "everything", is_flag=True, help="All models of the catalogue.")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model with its price, by the name it was asked for.

    `version` is `rules` or the date of the catalogue. `seller` is the catalogue's name of who sells it, empty for an
    address of one's own; `ids` are the seller's ids of it, the one that is used first. `anthropic` says whose dialect.
    """

    name: str
    provider: str
    upstream: str
    prices: PriceHistory
    version: str
    window_tokens: int | None
    max_output_tokens: int | None
    seller: str
    ids: tuple[str, ...]
    anthropic: bool


@dataclass(frozen=True)
class Book:
    """Where names are looked up: the registry of the rules first, if there is one, then the catalogue."""

    catalogue: Catalogue
    snapshot: Snapshot | None

    def registry(self) -> tuple[Listed, ...]:
        """List the models of the rules."""
        snapshot = self.snapshot
        return tuple(self._of_rules(snapshot, model) for model in snapshot.models.values()) if snapshot else ()

    def everything(self) -> tuple[Listed, ...]:
        """List the models of the catalogue that have a price."""
        return tuple(listed for model in self.catalogue for listed in self._of_catalogue(model, model.id))

    @cached_property
    def sellers(self) -> tuple[str, ...]:
        """Name those who sell the models of the catalogue."""
        return tuple(sorted({model.provider for model in self.catalogue}))

    def sold(self, seller: str, model: str) -> Listed:
        """Find a seller's model; raises ValueError that names the near ones."""
        if seller not in self.sellers:
            near = _near(seller, self.sellers) or f": it has {', '.join(self.sellers)}"
            raise ValueError(f"provider: the catalogue has no seller '{seller}'{near}")
        found = self.catalogue.lookup(seller, model)
        for listed in self._of_catalogue(found, model):
            return listed
        near = _near(model, [name for provider, name in self.catalogue.models if provider == seller])
        raise ValueError(f"model: the catalogue has no price for '{model}' of {seller}{near}")

    def named(self, name: str) -> tuple[Listed, ...]:
        """Find a model by registry name, `seller/id` or id, all its sellers; raises ValueError naming near ones."""
        if self.snapshot and name in self.snapshot.models:
            return (self._of_rules(self.snapshot, self.snapshot.models[name]),)
        seller, _, rest = name.partition("/")
        found = tuple(self._of_catalogue(self.catalogue.lookup(seller, rest), name)) or tuple(
            listed for each in self.sellers for listed in self._of_catalogue(self.catalogue.lookup(each, name), name)
        )
        if not found:
            near = _near(name, self._names()) or ": list what there is with 'rulegate prices show --all'"
            where = "neither the rules nor the catalogue have" if self.snapshot else "the catalogue does not have"
            raise ValueError(f"model: {where} a price for '{name}'{near}")
        return found

    def the_one(self, name: str) -> Listed:
        """Find the one model of a name; raises ValueError where several sell it, and for none."""
        first, *others = self.named(name)
        if others:
            choices = " or ".join(f"'{each.seller}/{name}'" for each in (first, *others))
            raise ValueError(f"model: '{name}' is sold by several: say {choices}")
        return first

    def _names(self) -> Iterator[str]:
        yield from self.snapshot.models if self.snapshot else ()
        for seller, name in self.catalogue.models:
            yield from (name, f"{seller}/{name}")

    def _of_rules(self, snapshot: Snapshot, model: Model) -> Listed:
        known = model.known
        names = (model.upstream.lower(), *((known.id, *sorted(known.aliases)) if known else ()))
        return Listed(
            name=model.name,
            provider=model.provider,
            upstream=model.upstream,
            prices=model.price,
            version=model.price_version,
            window_tokens=model.window_tokens,
            max_output_tokens=model.max_output_tokens,
            seller=seller_of(snapshot.providers[model.provider], self.catalogue) or "",
            ids=tuple(dict.fromkeys(names)),
            anthropic=snapshot.providers[model.provider].kind is Dialect.ANTHROPIC,
        )

    def _of_catalogue(self, model: CatalogueModel | None, name: str) -> Iterator[Listed]:
        if model is not None and isinstance(model.prices, PriceHistory):
            yield Listed(
                name=name,
                provider=model.provider,
                upstream=model.id,
                prices=model.prices,
                version=self.catalogue.date.isoformat(),
                window_tokens=model.context_window_tokens,
                max_output_tokens=model.max_output_tokens,
                seller=model.provider,
                ids=(model.id, *sorted(model.aliases)),
                anthropic=model.provider == "anthropic",
            )


def book_of(rules: Path | None, *, needed: bool) -> Book:
    """Open the rules and the catalogue; rules that do not run are an end where they are needed, else a notice."""
    if needed:
        return Book(catalogue.load(), snapshot_or_exit(rules)[0])
    result = compile_rules(rules_or_shipped(rules, shipped=True))
    if isinstance(result, Snapshot):
        return Book(catalogue.load(), result)
    click.echo("the rules do not run (see 'rulegate check'): only the catalogue is looked in", err=True)
    return Book(catalogue.load(), None)


def listed_in(book: Book, names: Sequence[str], *, everything: bool) -> tuple[Listed, ...]:
    """Give the models that are meant: those of these names, all of the catalogue, or those of the rules."""
    if everything:
        return book.everything()
    try:
        return tuple(listed for name in names for listed in book.named(name)) if names else book.registry()
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def day_of(given: datetime | None) -> date:
    """Give the day that is asked for, or today in UTC."""
    return (given or SystemClock().now()).date()


def columns(rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """Give rows as lines: the first `left` cells flush left, numbers after them flush right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _near(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name.lower(), set(names), n=3)
    return f": did you mean {' or '.join(map(repr, near))}?" if near else ""
