"""What several of the suites know to fail, with one reason."""

from nonebot_aiohttp.testing.suites import Known

STOP = Known(
    "NoneBot2's own drivers do not wait for handlers when they stop.", drivers=("~fastapi",)
)
CLOSED = Known(
    "NoneBot2's own drivers do not wait for handlers when they stop, and the WebSocket by which the"
    " bot would speak is closed.",
    drivers=("~fastapi",),
)
CUT_OFF = Known(
    "NoneBot2's own drivers do not wait for handlers that an adapter has begun as tasks of its own"
    " when they stop.",
    drivers=("~fastapi",),
)
MEBIBYTE = Known(
    "NoneBot2's driver for websockets takes messages of up to 1 MiB, and this event has the text"
    " twice; the connection ends with 1009.",
    drivers=("~websockets",),
)
NOT_JSON = Known("A body that is not JSON is an error in the adapter, and so is answered 500.")
