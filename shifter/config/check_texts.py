"""Texts that mean something to another room: patterns, rewrites, formats; and files that a configuration names.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
Rule 2. A file is read once. The same format is judged once, however many headers have it.
"""

from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps, text_in
from shifter.config.judge import Judge
from shifter.config.report import Report, shown

_INLINE = frozenset(("inline_string", "inline_bytes"))
_HEADER_LISTS = ("request_headers_to_add", "response_headers_to_add")


class Texts:
    """Asks the ``Judge`` about texts. ``contents`` are those of the files that were named, ``variables`` the values of those of the
    environment."""

    def __init__(self, report: Report, judge: Judge) -> None:
        self.contents: dict[str, bytes] = {}
        self.variables: dict[str, str] = {}
        self._report = report
        self._judge = judge
        self._judged: dict[str, str | None] = {}
        self._missing: set[str] = set()

    def web_resource(self, node: MapNode | None) -> None:
        """Check a ``WebResource``."""
        name = text_in(node, "resource") if node is not None else None
        if not name or self._judge.resource_problem is None:
            return
        problem = self._judge.resource_problem(str(name))
        if problem is not None:
            self._report.error(name, f"this resource cannot be used: {problem}", "write package.module:name")

    def regex(self, node: MapNode | None) -> None:
        """Check a ``RegexMatcher``."""
        regex = text_in(node, "regex") if node is not None else None
        if not regex or self._judge.regex_problem is None:
            return
        problem = self._judge.regex_problem(regex.encode())
        if problem is not None:
            self._report.error(regex, f"this regular expression cannot be used: {problem}")

    def string(self, node: MapNode | None) -> None:
        """Check a ``StringMatcher``."""
        if node is not None:
            self.regex(map_in(node, "safe_regex"))

    def rewrite(self, node: MapNode | None, of_path: bool = False) -> None:
        """Check a ``RegexMatchAndSubstitute``, whose result is a path when *of_path*."""
        if node is None:
            return
        substitution = text_in(node, "substitution")
        if of_path and substitution is not None and "#" in substitution:
            self._report.error(substitution, f"`{shown(substitution)}` has a #, which cannot stand in a request", "write %23")
        pattern = map_in(node, "pattern")
        regex = text_in(pattern, "regex") if pattern is not None else None
        if not regex or self._judge.rewrite_problem is None:
            return
        problem = self._judge.rewrite_problem(regex.encode(), (substitution or "").encode())
        if problem is not None:
            self._report.error(substitution if substitution is not None else regex, f"this rewrite cannot be used: {problem}")

    def uri_template(self, template: TextNode | None) -> None:
        """Check the template of a ``UriTemplateMatchConfig``."""
        if template and self._judge.uri_template_problem is not None:
            problem = self._judge.uri_template_problem(template.encode())
            if problem is not None:
                self._report.error(template, f"this template cannot be used: {problem}")

    def uri_rewrite(self, template: TextNode | None, rewrite: TextNode | None) -> None:
        """Check the template of a ``UriTemplateRewriteConfig`` for paths that *template* matched."""
        if template and rewrite and self._judge.uri_rewrite_problem is not None:
            problem = self._judge.uri_rewrite_problem(template.encode(), rewrite.encode())
            if problem is not None:
                self._report.error(rewrite, f"this template cannot be used: {problem}")

    def header_changes(self, node: MapNode) -> None:
        """Check the formats in the lists of headers to add that *node* has."""
        for name in _HEADER_LISTS:
            if name in node:
                self.header_options(node[name])

    def header_options(self, node: Node | None) -> None:
        """Check the formats in a list of ``HeaderValueOption``."""
        for option in maps(node):
            header = map_in(option, "header")
            value = text_in(header, "value") if header is not None else None
            if value:
                self.template(value)

    def template(self, text: TextNode) -> None:
        """Check a format that makes the value of a header or the body of an answer."""
        problem = self._template_problem(text)
        if problem is not None:
            self._report.error(text, f"this format cannot be used: {problem}")

    def _template_problem(self, text: str) -> str | None:
        if self._judge.template_problem is None:
            return None
        if text not in self._judged:
            self._judged[str(text)] = self._judge.template_problem(str(text))
        return self._judged[text]

    def substitution(self, node: MapNode | None) -> None:
        """Check a ``SubstitutionFormatString``."""
        if node is None:
            return
        text = text_in(node, "text_format")
        if text is not None:
            self.template(text)
        source = map_in(node, "text_format_source")
        if source is not None:
            self._format_source(source)
        self.leaves(map_in(node, "json_format"))

    def leaves(self, node: MapNode | None) -> None:
        """Check the formats in a ``json_format``."""
        for leaf in _leaves(node) if node is not None else ():
            self.template(leaf)

    def _format_source(self, node: MapNode) -> None:
        content, spot = self.data(node)
        if content is None or spot is None:
            return
        try:
            problem = self._template_problem(content.decode())
        except UnicodeDecodeError:
            problem = "it is not text in UTF-8"
        if problem is not None:
            self._report.error(spot, f"this format cannot be used: {problem}")

    def content(self, node: MapNode | None) -> tuple[bytes, TextNode] | None:
        """Return what a ``DataSource`` stands for, and where it says so; ``None`` when there is none, or it is known to be unreadable."""
        content, spot = self.data(node) if node is not None else (None, None)
        if content is None or spot is None or (spot in self._missing and node is not None and not node.keys() & _INLINE):
            return None
        return content, spot

    def data(self, node: MapNode) -> tuple[bytes | None, TextNode | None]:
        """Return what a ``DataSource`` stands for, and where it says so; ``None`` for what cannot be known."""
        name, text, encoded = text_in(node, "filename"), text_in(node, "inline_string"), text_in(node, "inline_bytes")
        if text is not None:
            return text.encode(), text
        if name:
            return self.file(name), name
        if encoded is not None:
            with suppress(ValueError):
                return b64decode(encoded), encoded
        variable = text_in(node, "environment_variable")
        return (self._variable(variable), variable) if variable else (None, None)

    def _variable(self, name: TextNode) -> bytes:
        if name not in self.variables:
            value = self._judge.environment(str(name)) if self._judge.environment is not None else None
            if value is None:
                self._report.error(name, f"there is no environment variable `{shown(name)}`")
                self._missing.add(str(name))
            self.variables[str(name)] = value or ""
        return self.variables[name].encode()

    def file(self, name: TextNode) -> bytes:
        """Return the content of a file; nothing, after an error, when it cannot be read."""
        if name in self.contents:
            return self.contents[name]
        content = b""
        self._missing.add(str(name))
        if self._judge.files is None:
            self._report.error(name, "files cannot be read here")
        else:
            try:
                content = self._judge.files(str(name))
                self._missing.remove(str(name))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self._report.error(name, f"`{shown(name)}` cannot be read: {reason}")
        self.contents[str(name)] = content
        return content


def _leaves(node: Node) -> Iterator[TextNode]:
    """Iterate over the texts in *node*, without the keys."""
    waiting: list[Node] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, TextNode):
            yield one
        else:
            waiting.extend(reversed(one) if isinstance(one, ListNode) else reversed(one.values()))
