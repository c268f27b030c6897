"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# No test is about time: the machine may be busy.
settings.register_profile("srnn", deadline=None, max_examples=50)
settings.load_profile("srnn")
