"""Errors that the runtime turns into HTTP answers.

What a client sees (runtime 1.6.1): `refusal` is HTTP 400 with its message. Any other exception is HTTP 500 that says
"Internal server error"; its reason stands in the worker's and the frontend's log, and the runtime shows it to no client.
"""

from __future__ import annotations


def refusal(message: str) -> Exception:
    """The client asked for what cannot be had: HTTP 400 with `message`."""
    from dynamo.llm.exceptions import InvalidArgument

    error: Exception = InvalidArgument(message)
    return error
