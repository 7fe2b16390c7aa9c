"""Who may come in: the token, its scope, and whether it was given up, now and later.

A token that is given up ends its connections when that is told; because a message may be lost, all open tokens are
looked up again now and then. While Redis is away nobody new comes in: what was given up must not be taken.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from tickstream import log
from tickstream.broadcast.commands import Commands
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.messaging.subscriber import Live
from tickstream.settings import Settings
from tickstream.tokens import GIVEN_UP, Identity, TokenError, given_up, verify

SCOPE: Final = "alerts:listen"
_LOOK_S: Final = 2.0  # at most


class NotAuthorised(Exception):
    """The token is not accepted; the reason is for the log."""


class NotAllowed(Exception):
    """The token is good, and does not allow to listen."""


class Gate:
    """`watch` until cancelled; `admit` for each who comes."""

    def __init__(self, settings: Settings, names: Names, commands: Commands, faults: Faults) -> None:
        self._secret = settings.token_secret
        self._url = settings.redis_url or ""
        self._look_s = min(_LOOK_S, settings.heartbeat_s)
        self._names = names
        self._commands = commands
        self._faults = faults

    async def admit(self, token: str) -> Identity:
        """Whom `token` stands for. Raises NotAuthorised, NotAllowed, or one of AWAY when that cannot be told."""
        if self._faults.on("token_in_log"):
            log.info("token_received", token=token)
        try:
            identity = verify(token, self._secret, self._faults)
        except TokenError as error:
            raise NotAuthorised(str(error)) from error
        if not self._faults.on("accept_revoked") and await self._is_given_up(identity.token_id):
            raise NotAuthorised("given up")
        if not identity.may(SCOPE) and not self._faults.on("ignore_scope"):
            raise NotAllowed(f"scope {SCOPE} is missing")
        return identity

    async def watch(self, open_tokens: Callable[[], Collection[str]], end: Callable[[str], None]) -> None:
        """Call `end` with each of `open_tokens` that is given up."""
        if self._faults.on("ws_outlive_token"):
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(end))
            group.create_task(self._look(open_tokens, end))

    async def _listen(self, end: Callable[[str], None]) -> None:
        async with Live(self._url, channels=(GIVEN_UP,), names=self._names) as live:
            async for message in live:
                end(message.payload.decode(errors="replace"))

    async def _look(self, open_tokens: Callable[[], Collection[str]], end: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            ids = list(open_tokens())
            found = await asyncio.gather(*(self._is_given_up(one) for one in ids), return_exceptions=True)
            for token_id, given in zip(ids, found, strict=True):
                if given is True:
                    end(token_id)

    async def _is_given_up(self, token_id: str) -> bool:
        return bool(await self._commands.do("EXISTS", self._names.prefix + given_up(token_id)))
