"""Who asks, and what they may: tokens in, identities out.

A token comes in the header `Authorization: Bearer` and nowhere else, since addresses are logged and kept. Whether it
was given up is known to Redis; the answer is remembered for a moment. While Redis is away reading goes on with a token
that is otherwise valid, since an outage of Redis must not take every user's view of the market; whatever changes
something is refused, since nobody could tell whether that token was given up.
"""

import time
from collections import OrderedDict
from http import HTTPStatus
from typing import Final

from starlette.requests import Request

from tickstream import log, tokens
from tickstream.api.errors import Refusal, missing_scope, unauthorised, unavailable
from tickstream.api.redis_line import RedisAway, RedisLine
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.tokens import Identity, TokenError

_SCHEME: Final = "bearer "
_REMEMBERED_S: Final = 0.5
_REMEMBERED: Final = 10_000
_NOBODY: Final = Identity(user="nobody", scopes=frozenset(tokens.SCOPES), token_id="", expires_at=0.0)


class Access:
    """Without `redis` no token can be given up, and none has been."""

    def __init__(self, secret: str, redis: RedisLine | None, names: Names, faults: Faults) -> None:
        self._secret = secret
        self._redis = redis
        self._names = names
        self._faults = faults
        # Until when it is remembered that a token has not been given up.
        self._living: OrderedDict[str, float] = OrderedDict()

    def identify(self, request: Request, *, open_by_defect: bool = False) -> Identity:
        """Whom the request's token stands for. Raises Refusal, the same for everything that may be wrong with it."""
        if open_by_defect and self._faults.on("skip_auth"):
            return _NOBODY
        header = request.headers.getlist("authorization")
        if self._faults.on("token_in_log"):
            log.info("authorization", headers=header)
        if len(header) != 1 or header[0][: len(_SCHEME)].lower() != _SCHEME:
            raise unauthorised()
        try:
            return tokens.verify(header[0][len(_SCHEME) :], self._secret, self._faults)
        except TokenError as error:
            raise unauthorised() from error

    def check_scope(self, identity: Identity, scope: str) -> None:
        if scope and not identity.may(scope) and not self._faults.on("ignore_scope"):
            raise missing_scope(scope)

    async def check_living(self, identity: Identity, *, changes: bool) -> None:
        """Raises Refusal for a token that was given up, and where nobody can tell for a request that changes."""
        if self._redis is None or identity is _NOBODY or self._faults.on("accept_revoked"):
            return
        now = time.monotonic()
        if self._living.get(identity.token_id, 0.0) > now:
            return
        try:
            [given_up] = await self._redis.ask(("EXISTS", self._key(identity)))
        except RedisAway as error:
            if changes:
                raise unavailable() from error
            return
        if given_up:
            raise unauthorised()
        self._remember(identity.token_id, now + _REMEMBERED_S)

    async def give_up(self, identity: Identity) -> None:
        """From now on the token is worth nothing. Raises Refusal while Redis is away."""
        self._living.pop(identity.token_id, None)
        if self._redis is None:
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "not_offered", "tokens cannot be given up here")
        rest_s = max(1, int(identity.expires_at - time.time()) + 1)
        message = f"0:{identity.token_id}"
        try:
            await self._redis.ask(
                ("SET", self._key(identity), "1", "EX", rest_s),
                ("PUBLISH", self._names.channel(tokens.GIVEN_UP), message),
            )
        except RedisAway as error:
            raise unavailable() from error
        finally:
            self._living.pop(identity.token_id, None)

    def _key(self, identity: Identity) -> str:
        return self._names.prefix + tokens.given_up(identity.token_id)

    def _remember(self, token_id: str, until: float) -> None:
        self._living[token_id] = until
        self._living.move_to_end(token_id)
        if len(self._living) > _REMEMBERED:
            self._living.popitem(last=False)
