"""Suites that adapters inherit: what every platform does to an adapter, in each of the four ways.

An author says how an event looks, how an API call looks and is answered, and how a token is shown.
Each test has a platform of its own and a bot in a process of its own, and runs on each driver. What
fails under all drivers is the adapter's; what fails under one is that driver's.
"""

from .base import Message, Suite, scenario, scenarios
from .forward import ForwardWebSocketSuite
from .polling import PollingSuite
from .reverse import ReverseWebSocketSuite
from .rules import Known, names_of, needs
from .webhook import WebhookSuite

__all__ = (
    "ForwardWebSocketSuite",
    "Known",
    "Message",
    "PollingSuite",
    "ReverseWebSocketSuite",
    "Suite",
    "WebhookSuite",
    "names_of",
    "needs",
    "scenario",
    "scenarios",
)
