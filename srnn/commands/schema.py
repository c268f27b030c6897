"""``srnn schema``: what a preset may say, for editors."""

from __future__ import annotations


def command() -> None:
    """Print the JSON Schema of an experiment, by which an editor completes and checks presets.

    An editor with Taplo or Even Better TOML finds it by the first line of a preset: #:schema ./experiment.schema.json.
    What settings demand of each other is not in it; srnn run tells.

    \b
    Examples:
      srnn schema > experiment.schema.json
    """
    import json

    from srnn.experiment import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
