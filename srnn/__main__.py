"""``python -m srnn …`` is ``srnn …``."""

from srnn.commands import main

main()
