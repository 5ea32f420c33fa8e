"""One setting, as a row of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from daemon.config.kinds import Kind

PREFIX = "ZAPD_"


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` holds a sentence for each fault."""

    def __init__(self, problems: list[str]) -> None:
        """Keep all sentences."""
        super().__init__("\n".join(problems))
        self.problems = problems


class Row(NamedTuple):
    """One setting as the table has it; ``default`` is the text that one would write."""

    name: str
    group: str
    kind: Kind
    default: str
    sentence: str

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return PREFIX + self.name.upper()

    def parse(self, text: str, where: str | None = None) -> Any:  # noqa: ANN401 - any kind's value
        """Return the value; raise ``ValueError`` with the whole sentence."""
        try:
            return self.kind.parse(text.strip())
        except ValueError as error:
            name = where or self.variable
            raise ValueError(f"{name} {error}. Write {self.kind.hint}.") from error
