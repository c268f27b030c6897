"""What mkdocstrings does not know: a part of a docstring headed ``Example:`` is code, like one headed ``Examples:``."""

from __future__ import annotations

import griffe


class ExampleIsCode(griffe.Extension):
    """Renames the heading before docstrings are parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Each module, class, function and attribute, as it is loaded."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
