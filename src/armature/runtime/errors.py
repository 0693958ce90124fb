"""Errors that the runtime turns into HTTP answers.

What a client sees (runtime 1.6.1): `refusal` is HTTP 400 with its message; `elsewhere`, when nobody else can serve the
request either, HTTP 504 "Request deadline exceeded". Any other exception is HTTP 500 "Internal server error". The reason of
these stands in the worker's and the frontend's log: the runtime shows it to no client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from armature.runtime.wire import Unsupported

T = TypeVar("T")


def refusal(message: str) -> Exception:
    """The client asked for what cannot be had: HTTP 400 with `message`."""
    from dynamo.llm.exceptions import InvalidArgument

    error: Exception = InvalidArgument(message)
    return error


def or_refuse(read: Callable[[], T]) -> T:
    """What `read` returns. Raises a refusal with the reason of its Unsupported.

    The runtime keeps a process's last error: neither causes nor their frames may hold a prompt of megabytes with it.
    """
    try:
        return read()
    except Unsupported as e:
        reason = str(e)
    raise refusal(reason)


def elsewhere(message: str) -> Exception:
    """The request failed here within its time and may go on at another worker, as often as the frontend's migration limit says.

    Of the runtime's errors that migrate, this is the one after which it does not take this worker for dead.
    """
    from dynamo.llm.exceptions import ConnectionTimeout

    error: Exception = ConnectionTimeout(message)
    return error
