"""``python cli.py …`` is ``srnn …``, from a checkout that need not be installed; what it imports must be."""

import sys

try:
    from srnn.commands import main
except ModuleNotFoundError as error:
    if error.name is not None and error.name.partition(".")[0] == "srnn":
        raise
    print(
        f"srnn: the package {error.name} is missing: run make setup and .venv/bin/srnn, or pip install .",
        file=sys.stderr,
    )
    sys.exit(2)

if __name__ == "__main__":
    main()
