"""``srnn schema``: what a preset may say, for editors."""

from __future__ import annotations


def command() -> None:
    """Print the JSON Schema of an experiment, by which an editor completes and checks presets.

    What settings demand of each other is not in it; srnn run tells. An editor with Taplo (in Visual Studio Code: Even
    Better TOML) finds it by a first line such as #:schema ./experiment.schema.json in the preset.

    \b
    Examples:
      srnn schema > experiment.schema.json
    """
    import json

    from srnn.config import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
