"""Sentences from the docstrings of installed libraries, read as text: nothing is imported.

The sentences depend on the installed versions; one installation gives the same sentences every time.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from grouping.errors import InvalidInputError

LARGEST_FILE_BYTES = 400_000
LEAST_WORDS = 5
MOST_WORDS = 30

_SKIPPED_FOLDERS = {"tests", "externals", "_vendor", "_lib", "f2py", "distutils", "typing", "_typing"}
_SECTION_RULE = re.compile(r"^[-=~]{3,}$")
_OTHER_SECTIONS = {"examples", "references", "see also"}
_TEXT_LINE = re.compile(r" {0,4}[A-Za-z`*:(\"]")
_MARKUP = re.compile(r":\w+(?::\w+)*:`~?([^`<]*)[^`]*`|`+([^`]*)`+_?|\*+([^*\n]+)\*+|\[[\w, ]+\]_")
_SENTENCE_END = re.compile(r"(?<=[a-z\d)][.!?])\s+(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|\d+")
_PLAIN = re.compile(r"[A-Za-z0-9 ,.;:!?'\"()/-]+")


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences that follow one another in a paragraph.

    Attributes:
        topic: number of the topic it was found under.
        module: file that it is from, as a path within its library.
        sentences: words of each sentence, in lower case; none is in another passage too.
    """

    topic: int
    module: str
    sentences: tuple[tuple[str, ...], ...]


@cache
def read_passages(topics: tuple[tuple[str, ...], ...], most_sentences: int) -> tuple[Passage, ...]:
    """Read passages of at least two sentences, by topic and then in a fixed order that mixes modules.

    It takes a second or two, once per process.

    Args:
        topics: for each topic the dotted names of its packages, such as ``("scipy.stats",)``.
        most_sentences: reading of a topic ends when it has so many.

    Raises:
        InvalidInputError: if a package is not installed.
    """
    seen: set[tuple[str, ...]] = set()
    passages = []
    for number, packages in enumerate(topics):
        n_sentences = 0
        for root, path in _modules(packages):
            module = path.relative_to(root).as_posix()
            for sentences in _paragraphs(path):
                for run in _fresh_runs(sentences, seen):
                    passages.append(Passage(number, module, run))
                    n_sentences += len(run)
            if n_sentences >= most_sentences:
                break
    return tuple(passages)


def sentences_of(docstring: str) -> Iterator[list[tuple[str, ...] | None]]:
    """Yield the sentences of each paragraph as words; None where one is not plain text of a fair length."""
    for paragraph in _prose(docstring):
        text = _MARKUP.sub(lambda found: next((part for part in found.groups() if part), " "), paragraph)
        yield [_words(sentence) for sentence in _SENTENCE_END.split(" ".join(text.split()))]


def _modules(packages: Sequence[str]) -> list[tuple[Path, Path]]:
    found = []
    for package in packages:
        library, *rest = package.split(".")
        spec = find_spec(library)  # of the library itself: that of a part would import the library
        if spec is None or not spec.submodule_search_locations:
            raise InvalidInputError(f"The texts of this problem come from {library}, which is not installed.")
        root = Path(spec.submodule_search_locations[0])
        found += [(root.parent, path) for path in root.joinpath(*rest).rglob("*.py")]
    kept = [(root, path) for root, path in found if _is_wanted(root, path)]
    # By a digest: neighbours by name have much in common, and each topic is cut when it has enough.
    return sorted(kept, key=lambda item: _digest(item[1].relative_to(item[0])))


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.as_posix().encode()).digest()


def _is_wanted(root: Path, path: Path) -> bool:
    folders = path.relative_to(root).parts[:-1]
    return not _SKIPPED_FOLDERS & set(folders) and path.stat().st_size <= LARGEST_FILE_BYTES


def _paragraphs(path: Path) -> Iterator[list[tuple[str, ...] | None]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):  # a template, or a file of another encoding
        return
    waiting: list[ast.Module | ast.ClassDef | ast.FunctionDef] = [tree]
    while waiting:  # not ast.walk: most of a tree is what functions do
        node = waiting.pop()
        waiting += [part for part in node.body if isinstance(part, (ast.ClassDef, ast.FunctionDef))]
        docstring = ast.get_docstring(node)
        if docstring:
            yield from sentences_of(docstring)


def _prose(docstring: str) -> Iterator[str]:
    """Yield paragraphs of text, and descriptions of parameters; no examples and no references."""
    lines = docstring.split("\n")
    is_wanted, paragraph = True, list[str]()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        starts_section = bool(_SECTION_RULE.match(following.strip()) and line.strip())
        if starts_section:
            is_wanted = line.strip().lower() not in _OTHER_SECTIONS
        is_text = is_wanted and bool(_TEXT_LINE.match(line)) and not starts_section
        # A line that begins at another depth is the name of a parameter, or its description.
        if paragraph and (not is_text or line.startswith(" ") != paragraph[-1].startswith(" ")):
            yield " ".join(paragraph)
            paragraph = []
        if is_text:
            paragraph.append(line)
    if paragraph:
        yield " ".join(paragraph)


def _words(sentence: str) -> tuple[str, ...] | None:
    if not _PLAIN.fullmatch(sentence) or sentence[-1] not in ".!?":
        return None
    words = tuple(_WORD.findall(sentence.lower()))
    return words if LEAST_WORDS <= len(words) <= MOST_WORDS else None


def _fresh_runs(
    sentences: list[tuple[str, ...] | None], seen: set[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield stretches of at least two sentences that are in no earlier one."""
    run: list[tuple[str, ...]] = []
    for sentence in [*sentences, None]:
        if sentence is not None and sentence not in seen:
            seen.add(sentence)
            run.append(sentence)
            continue
        if len(run) > 1:
            yield tuple(run)
        run = []
