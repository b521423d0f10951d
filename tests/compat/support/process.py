"""A bot program of the folder ``bots``, in a process of its own, on a driver and under its host."""

from pathlib import Path
from types import TracebackType
from typing import Any

from nonebot_aiohttp import testing

from .choice import Candidate

BOTS = Path(__file__).parent.parent / "bots"


class Bot(testing.BotProcess):
    """A program as a candidate runs it; pytest shows its log with a failure."""

    def __init__(
        self,
        program: str,
        candidate: Candidate,
        folder: Path,
        *,
        wait: bool = True,
        check_leaks: bool = True,
        allow_tracebacks: bool = False,
        **settings: Any,
    ) -> None:
        self.candidate = candidate
        super().__init__(
            BOTS / f"{program}.py",
            driver=candidate.line,
            settings=settings,
            env={"HOSTED_BY": candidate.host, **candidate.env},
            command=candidate.server,
            folder=folder,
            prefix=candidate.prefix,
            wait=wait,
            # What NoneBot's own drivers leave behind is not our error.
            check_leaks=check_leaks and candidate.is_ours,
            allow_tracebacks=allow_tracebacks or not candidate.is_ours,
        )

    async def stop(self) -> int:
        """Stop the bot, and assert that it ends with the exit code of its host."""
        code = await super().stop()
        assert code in self.candidate.exit_codes, self.text
        return code

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, raised, trace)
        finally:
            print(self.text)
