"""Which names outside the cluster are databases, by what they end in, and how OpenTelemetry calls the system.

Only names that can be nothing else: a name that may be a web site too is no database. Pure.
"""

from dataclasses import dataclass
from typing import Self

from grapevine.model.errors import PermanentInputError


@dataclass(frozen=True, slots=True)
class System:
    """A database system, by the convention of today and by the one that Tempo's releases read."""

    name: str
    """`db.system.name`."""
    old_name: str
    """`db.system`, deprecated and needed."""


_OLD_NAMES = {
    "microsoft.sql_server": "mssql",
    "aws.redshift": "redshift",
    "azure.cosmosdb": "cosmosdb",
}
_KNOWN = {
    "rds.amazonaws.com": "other_sql",  # which engine, the name does not say
    "redshift.amazonaws.com": "aws.redshift",
    "docdb.amazonaws.com": "mongodb",
    "postgres.database.azure.com": "postgresql",
    "mysql.database.azure.com": "mysql",
    "mariadb.database.azure.com": "mariadb",
    "database.windows.net": "microsoft.sql_server",
    "documents.azure.com": "azure.cosmosdb",
    "redis.cache.windows.net": "redis",
    "mongodb.net": "mongodb",
    "psdb.cloud": "mysql",
    "cloud.redislabs.com": "redis",
}


def system_of(name: str) -> System:
    """Return a system by its name of today."""
    return System(name, _OLD_NAMES.get(name, name))


@dataclass(frozen=True, slots=True)
class Databases:
    """Suffixes of names, the longest first to win."""

    added: tuple[tuple[str, str], ...] = ()
    """The user's own, suffix and system; they go before the known ones."""

    @classmethod
    def parse(cls, text: str, variable: str) -> Self:
        """Return those of `db.example.com=postgresql,…`.

        Raises:
            PermanentInputError: an item is no such pair; the text names `variable`.
        """
        added = []
        for item in filter(None, (each.strip() for each in text.split(","))):
            suffix, _, system = item.partition("=")
            if not suffix.strip(". ") or not system.strip():
                raise PermanentInputError(f"{variable}: {item!r}: give SUFFIX=SYSTEM, like db.example.com=postgresql")
            added.append((suffix.strip(". ").lower(), system.strip()))
        return cls(tuple(added))

    def try_system(self, name: str) -> System | None:
        """Return the system behind a name, None where it is no database; O(labels of the name)."""
        added = dict(self.added)
        rest = name
        while rest:
            if system := added.get(rest) or _KNOWN.get(rest):
                return system_of(system)
            rest = rest.partition(".")[2]
        return None
