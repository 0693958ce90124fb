"""The connection to NATS that the durable stream of KV events takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import nats
import nats.errors

from armature import env
from armature.errors import UserError

if TYPE_CHECKING:
    from nats.aio.client import Client

CONNECT_S = 5
RECONNECT_S = 0.5

logger = logging.getLogger(__name__)


async def connect(url: str | None) -> Client:
    """Connect, and connect again for ever when the server is away later. Raises UserError when it is not there now.

    url: of the NATS server; None when the environment names none.
    """
    if not url:
        raise UserError("durable KV events need a NATS server with JetStream", where=env.NATS_SERVER, expected="nats://HOST:PORT")

    async def said(error: Exception) -> None:
        logger.info("NATS: %s", str(error) or type(error).__name__)

    try:
        return await nats.connect(
            url,
            name="armature",
            connect_timeout=CONNECT_S,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,
            error_cb=said,
            pending_size=0,  # what cannot be sent now fails now: the writer tells its whole state later
        )
    except (nats.errors.Error, OSError) as e:
        raise UserError(f"the NATS server {url} does not answer: {str(e) or type(e).__name__}", where=env.NATS_SERVER) from None
