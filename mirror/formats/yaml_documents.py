"""Plain YAML from outside, read strictly and within limits: the one loader of both commands.

Only plain values are built: no tag names a class. A key that stands twice in a mapping is refused,
where YAML would silently keep the last. Anchors, aliases and merge keys (`<<`) work, and what an
alias repeats counts each time: lists of aliases of lists of aliases would otherwise be a file of
1 kB with a billion values. Nesting counts through aliases, too, so no reader that walks a document
can exhaust the stack. This module does not know what the keys mean.
"""

import gc
import re
from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from mirror.formats.bounded_files import Limit

try:
    from yaml._yaml import CParser as _Events
except ImportError:  # PyYAML was built without libyaml: three times slower, and the same otherwise

    class _Events(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):  # type: ignore[no-redef]
        def __init__(self, text: str) -> None:
            yaml.reader.Reader.__init__(self, text)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)


LIMIT = Limit(4 << 20)
"""Most bytes of a file. It reads about 1 MB per second, and a third of it without libyaml."""
MOST_VALUES = 300_000
"""Most values of a file, keys included. A table of 10,000 rows has about 200,000; 300,000 empty
mappings take 360 MB and 8 s."""
MOST_DEPTH = 100
"""Deepest nesting. The schemas of Kubernetes' largest resources are about 40 deep."""
MOST_OTHER_KEYS = 1000
"""Most keys of a mapping that are no text. Numbers can be chosen so that all have one hash, and a
mapping of n of them takes n² steps."""
_MOST_DIGITS = 100
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"

Note = Callable[[dict[Any, Any], int, Mapping[str, int]], None]
"""Gets each mapping with its line and the lines of the keys that are written in it."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that stands in its mapping already."""

    key: str
    line: int
    first_line: int


OnDuplicate = Callable[[Duplicate], None]


class YamlError(ValueError):
    """The text is not plain YAML or exceeds a limit; the message is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split()))


def read_document(
    text: str, note: Note | None = None, on_duplicate: OnDuplicate | None = None
) -> object:
    """Return the document of a YAML text, and None for an empty one. Raises YamlError."""
    documents = read_documents(text, note, on_duplicate)
    if len(documents) > 1:
        raise YamlError(f"expected one document, got {len(documents)}")
    return documents[0] if documents else None


def read_documents(
    text: str, note: Note | None = None, on_duplicate: OnDuplicate | None = None
) -> list[object]:
    """Return the documents of a YAML text.

    Raises YamlError, for a key that is given twice only without `on_duplicate`.
    """
    if len(text) > LIMIT.most_bytes:
        raise YamlError(f"has more than {LIMIT.most_bytes:,} characters, which is the limit")
    # A document is all nodes and no garbage: looking for cycles takes a quarter of the time.
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        loader = _Loader(text, note, on_duplicate or _refuse)
        documents = []
        while loader.check_data():  # type: ignore[no-untyped-call]
            documents.append(loader.get_data())
        return documents
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        parts = (error.context, error.problem, error.note)
        raise YamlError(line + ", ".join(filter(None, parts))) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error)) from error
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        # PyYAML raises these for values that do not fit their tag: 2020-99-99, `!!int x`.
        raise YamlError(f"a value does not fit its tag: {error}") from error
    finally:
        if is_collecting:
            gc.enable()


def _refuse(duplicate: Duplicate) -> None:
    raise YamlError(
        f"line {duplicate.line}: the key {duplicate.key!r} appears twice,"
        f" first in line {duplicate.first_line}"
    )


class _Loader(Composer, _Events, SafeConstructor, Resolver):
    def __init__(self, text: str, note: Note | None, on_duplicate: OnDuplicate) -> None:
        _Events.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._note = note
        self._on_duplicate = on_duplicate
        self._key_lines: dict[yaml.MappingNode, dict[str, int]] = {}
        # While nodes are composed.
        self._values = 0
        self._depth = 0
        self._deepest = 0
        self._anchored: dict[yaml.Node, tuple[int, int]] = {}
        """Values in each node that has an anchor, and how deep they are nested in it."""

    # --- limits ---

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if node not in self._anchored:
                raise YamlError(f"line {line}: *{event.anchor} stands within itself")
            values, depth = self._anchored[node]
            self._count(values, self._depth + depth, line)
            return node
        values_before, deepest_before = self._values, self._deepest
        self._deepest = self._depth
        self._count(1, self._depth, line)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None and node is not None:
            self._anchored[node] = (self._values - values_before, self._deepest - self._depth)
        self._deepest = max(self._deepest, deepest_before)
        return node

    def _count(self, values: int, depth: int, line: int) -> None:
        self._values += values
        self._deepest = max(self._deepest, depth)
        if self._values > MOST_VALUES:
            raise YamlError(
                f"line {line}: has more than {MOST_VALUES:,} values, which is the limit;"
                " an alias counts as often as it stands here"
            )
        if self._deepest > MOST_DEPTH:
            raise YamlError(f"line {line}: is nested more than {MOST_DEPTH} deep, the limit")

    # --- mappings ---

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace `<<` by the keys that it merges, once the keys that are written were checked.

        A mapping that others merge is flattened before it is built, hence only once.
        """
        if node in self._key_lines:
            return
        self._check_other_keys(node)
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            is_merge = key_node.tag == _MERGE
            key = "<<" if is_merge else self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise YamlError(f"line {line}: a list or a mapping is no key")
            if key in lines:
                self._on_duplicate(Duplicate(str(key), line, lines[key]))
            else:
                lines[key] = line
        self._key_lines[node] = {str(key): line for key, line in lines.items()}
        super().flatten_mapping(node)
        self._check_other_keys(node)

    def _check_other_keys(self, node: yaml.MappingNode) -> None:
        if sum(key.tag != _TEXT for key, _ in node.value) > MOST_OTHER_KEYS:
            raise YamlError(
                f"line {node.start_mark.line + 1}: a mapping has more than"
                f" {MOST_OTHER_KEYS:,} keys that are no text, which is the limit"
            )

    def build_mapping(self, node: yaml.MappingNode) -> Generator[dict[Any, Any], None, None]:
        # A generator, as in the parent class, so that the mapping exists before its values do.
        data: dict[Any, Any] = {}
        yield data
        values = self.construct_mapping(node)
        if self._note is not None:
            self._note(data, node.start_mark.line + 1, self._key_lines[node])
        data.update(values)

    # --- numbers ---

    def build_int(self, node: yaml.ScalarNode) -> object:
        """Leave `1_0` and `1:30` texts, as YAML 1.2 does, where YAML 1.1 reads 10 and 90."""
        return node.value if _is_odd(node) else self.construct_yaml_int(node)

    def build_float(self, node: yaml.ScalarNode) -> object:
        return node.value if _is_odd(node) else self.construct_yaml_float(node)

    yaml_constructors = SafeConstructor.yaml_constructors | {
        "tag:yaml.org,2002:map": build_mapping,
        "tag:yaml.org,2002:int": build_int,
        "tag:yaml.org,2002:float": build_float,
    }


def _is_odd(node: yaml.ScalarNode) -> bool:
    # Python refuses to print an integer of more than 4300 digits.
    return bool(re.search("[_:]", node.value)) or len(node.value) > _MOST_DIGITS
