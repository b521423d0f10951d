"""``Operated``: what a driver of either face lets operators see."""

from __future__ import annotations

from aiohttp import web

from ..options import DriverOptions
from .application import make_application
from .listener import OperatorsListener
from .metrics import add as add_to_metrics
from .observer import Observer, Parts
from .status import Status


class Operations:
    """Observes one driver, and shows it.

    Attributes:
        observer: Tells of the driver.
        listener: The listener of ``aiohttp_ops_port``.
    """

    def __init__(self, options: DriverOptions, parts: Parts) -> None:
        """Take the parts of the driver; nothing is bound to an event loop yet."""
        self._options = options
        self.observer = Observer(parts)
        add_to_metrics(self.observer)
        self.listener = OperatorsListener(options, self._make)
        parts.lifespan.serve_operators(self.listener, self.observer.sampler)
        self._app: web.Application | None = None

    @property
    def app(self) -> web.Application:
        """The application to mount; a new one when the last is served."""
        if self._app is None or self._app.frozen:
            self._app = self._make()
        return self._app

    def _make(self) -> web.Application:
        return make_application(self.observer, self._options)


class Operated:
    """Has a status, and an application that shows it."""

    _operations: Operations

    def status(self) -> Status:
        """Tell what the driver does: state, bots, events, calls, failures.

        It may be called at any time and under any host, on the thread of the event loop. With many
        bots it takes some microseconds for each.

        Returns:
            A frozen object; ``asdict()`` makes plain values of it, for JSON.
        """
        return self._operations.observer.status()

    @property
    def operations(self) -> web.Application:
        """An application for operators, which a site may mount with ``add_subapp("/ops", ...)``.

        It has ``/livez`` and ``/readyz``. Where ``aiohttp_ops_token`` is set it also has
        ``/status``, ``/metrics`` and the page ``/``, all of which demand the token. The setting
        ``aiohttp_ops_names`` must contain the site's host name. Each time one was served the next
        is a new one, because aiohttp serves an application once.
        """
        return self._operations.app
