"""Load on an OpenAI-compatible server, with Locust: `locust -f loadtests/locustfile.py -H http://127.0.0.1:8000 --headless ...`.

`--help` lists the options, docs/how-to/load.md explains them.
"""

from __future__ import annotations

import gevent
from locust import User, task

from armature_load import plugin

plugin.install()


class Load(User):
    """Stands for this process in Locust's page: the load is made beside it, and may be thousands of requests at a time."""

    @task
    def wait(self) -> None:
        gevent.sleep(1)
