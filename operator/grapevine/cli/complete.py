"""`grapevine __complete WORD… CURRENT`: what CURRENT may become, for shells and for kubectl.

The protocol is Cobra's, which kubectl speaks with `kubectl_complete-grapevine`: a candidate a line, behind a tab what
it means, and a last line `:N`: 0 for files too, 4 for nothing else, 6 for no blank behind it. Whatever fails is no
candidate: a shell must not be disturbed. What is offered is what argparse was told: no flag is described twice.

Source: Kubernetes documentation, "Extend kubectl with plugins"; Cobra, `completions.go`.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

FILES, NOTHING_ELSE, NO_BLANK = 0, 4, 6
MAX_CANDIDATES = 500
_MAX_HELP_CHARS = 70
_SAFE = re.compile(r"[\w./:@%+=,-]+", re.ASCII)
"""What a shell takes as it is: names of contexts are anybody's."""
_OF_FILES = frozenset({"FILE", "PATH", "DIR", "A", "B"})
_OF_WORKLOADS = frozenset({"WORKLOAD", "CLIENT", "TARGET", "NAMESPACE/NAME"})
_CLUSTERS = "cluster:"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Names that only the outside knows; each takes the flags that were given, and may be slow."""

    contexts: Callable[[Mapping[str, str]], Iterable[str]]
    namespaces: Callable[[Mapping[str, str]], Iterable[str]]
    workloads: Callable[[Mapping[str, str]], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the current word may become."""

    candidates: tuple[tuple[str, str], ...] = ()
    """Word, and what it means."""
    directive: int = NOTHING_ELSE

    def lines(self) -> list[str]:
        """Return what is printed."""
        shown = [f"{word}\t{meaning}" if meaning else word for word, meaning in self.candidates]
        return [*shown, f":{self.directive}"]


def complete(parser: argparse.ArgumentParser, words: Sequence[str], lookup: Lookup) -> Answer:
    """Return what the last word, which may be empty, may become behind the others."""
    *before, current = words or [""]
    place = _Place(parser)
    for word in before:
        place.pass_by(word)
    if place.awaited is not None:
        return _values(place.awaited, current, "", place.given, lookup)
    if current.startswith("-") and not place.is_past_flags:
        return _flag(place, current, lookup)
    action = place.positional
    return Answer() if action is None else _values(action, current, "", place.given, lookup)


class _Place:
    """Where in the command line a word stands."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.given: dict[str, str] = {}
        """Flags with values that were given, by their longest name."""
        self.awaited: argparse.Action | None = None
        """The flag whose value comes next."""
        self.is_past_flags = False
        self._enter(parser)

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        self.flags: Mapping[str, argparse.Action] = parser._option_string_actions
        self._positionals = [action for action in parser._actions if not action.option_strings]

    @property
    def positional(self) -> argparse.Action | None:
        """What a word that is no flag stands for here."""
        return self._positionals[0] if self._positionals else None

    def pass_by(self, word: str) -> None:
        """Go on behind a word."""
        if self.awaited is not None:
            self.given[self.awaited.option_strings[-1]] = word
            self.awaited = None
        elif word == "--":
            self.is_past_flags = True
        elif word.startswith("-") and len(word) > 1 and not self.is_past_flags:
            name, has_value, value = word.partition("=")
            action = self.flags.get(name)
            if action is not None and action.nargs != 0:
                if has_value:
                    self.given[action.option_strings[-1]] = value
                else:
                    self.awaited = action
        elif (action := self.positional) is not None:
            if isinstance(action, argparse._SubParsersAction):
                self._positionals = []  # behind a word that is no command there is nothing to offer
                if word in action.choices:
                    self._enter(action.choices[word])
            elif action.nargs not in ("*", "+"):
                del self._positionals[0]


def _flag(place: _Place, current: str, lookup: Lookup) -> Answer:
    name, has_value, value = current.partition("=")
    if has_value:
        action = place.flags.get(name)
        if action is None or action.nargs == 0:
            return Answer()
        return _values(action, value, f"{name}=", place.given, lookup)
    shown = {
        flag: _meaning(action)
        for flag, action in place.flags.items()
        if action.help != argparse.SUPPRESS and (flag.startswith("--") or len(action.option_strings) == 1)
    }
    return _matching(current, "", shown)


def _values(action: argparse.Action, text: str, before: str, given: Mapping[str, str], lookup: Lookup) -> Answer:
    if isinstance(action, argparse._SubParsersAction):
        return _matching(text, before, {each.dest: _meaning(each) for each in action._get_subactions()})
    if action.choices is not None:
        return _matching(text, before, {str(each): "" for each in action.choices})
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    flag = action.option_strings[-1] if action.option_strings else ""
    if metavar in ("A", "B") and text and (_CLUSTERS.startswith(text) or text.startswith(_CLUSTERS)):
        contexts = (f"{_CLUSTERS}{each}" for each in lookup.contexts(given))
        return _matching(text, before, dict.fromkeys([_CLUSTERS, *contexts], ""))
    if metavar in _OF_FILES or metavar.startswith("FILE"):
        return Answer(directive=FILES)
    if flag == "--context":
        return _matching(text, before, dict.fromkeys(lookup.contexts(given), ""))
    if "--namespace" in action.option_strings:
        *earlier, last = text.split(",")  # several, with commas
        return _matching(last, before + "".join(f"{each}," for each in earlier), _named(lookup.namespaces(given)))
    if metavar in _OF_WORKLOADS and "--filename" not in given:
        return _matching(text, before, _named(lookup.workloads(given)))
    return Answer()


def _named(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, "")


def _matching(text: str, before: str, meanings: Mapping[str, str]) -> Answer:
    found = [
        (before + word, meaning)
        for word, meaning in meanings.items()
        if word.startswith(text) and _SAFE.fullmatch(word)
    ]
    return Answer(tuple(found[:MAX_CANDIDATES]), NO_BLANK if [w for w, _ in found] == [_CLUSTERS] else NOTHING_ELSE)


def _meaning(action: argparse.Action) -> str:
    text = " ".join((action.help or "").replace("%(default)s", str(action.default)).split())
    return text if len(text) <= _MAX_HELP_CHARS else f"{text[: _MAX_HELP_CHARS - 1]}…"
