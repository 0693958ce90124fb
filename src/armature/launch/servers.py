"""Whether a server that the user runs is there, and is what it was named as."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult, urlsplit

ANSWER_S = 3.0


def why_not(url: str, timeout_s: float = ANSWER_S) -> str | None:
    """Why the server at `url` cannot be used, in words; None when it can.

    nats://: it must greet as NATS servers do; http://: its /health must answer as etcd's; behind TLS (tls://, https://) it must
    accept a connection.
    """
    at = urlsplit(url)
    try:
        match at.scheme:
            case "nats":
                return _no_nats(at, timeout_s)
            case "http":
                return _no_etcd(at, timeout_s)
            case _:
                socket.create_connection(_address(at), timeout_s).close()
                return None
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except OSError as e:
        return e.strerror or str(e)


def no_model(url: str, model: str | None, timeout_s: float = ANSWER_S) -> str | None:
    """Why an OpenAI-compatible server cannot be asked for `model` (None: for the only one that it has); None when it can."""
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with asking.open(f"{url}/v1/models", timeout=timeout_s) as answer:
            names = [str(m["id"]) for m in json.load(answer)["data"]]
    except urllib.error.HTTPError as e:
        return f"GET /v1/models answered {e.code}"
    except (ValueError, KeyError, TypeError):
        return "GET /v1/models did not answer with a list of models"
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (HTTPException, OSError) as e:
        return str(getattr(e, "reason", e))
    listed = ", ".join(names) or "no model"
    if model is None:
        return None if len(names) == 1 else f"it lists {listed}: choose one with model.name="
    return None if model in names else f"it lists {listed}, not {model!r}"


def _no_nats(at: SplitResult, timeout_s: float) -> str | None:
    with socket.create_connection(_address(at), timeout_s) as s:
        s.settimeout(timeout_s)
        return None if s.recv(5) == b"INFO " else "this is not a NATS server"


def _no_etcd(at: SplitResult, timeout_s: float) -> str | None:
    host, port = _address(at)
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        text = answer.read(200)
    except HTTPException:
        return "this is not an etcd server"
    finally:
        connection.close()
    if b'"health"' not in text:
        return "this is not an etcd server"
    return None if answer.status == 200 else f"etcd is not healthy: {text.decode(errors='replace')}"


def _address(at: SplitResult) -> tuple[str, int]:
    return at.hostname or "", at.port or 0
