"""What operators see: the status of a driver, and the applications that show it."""

from .metrics import register_metrics, unregister_metrics

__all__ = ["register_metrics", "unregister_metrics"]
