"""What a subscription is handed of the past: by its own filters, as it was told."""

from collections.abc import Iterable

from tickstream.broadcast.filters import Filters
from tickstream.broadcast.places import Subscription


class Past:
    def filters(self, subscription: Subscription) -> Filters:
        return subscription.filters

    async def turn(self) -> None:
        """Return when a subscription may be handed its next page."""

    def frames(self, frames: Iterable[bytes]) -> list[bytes]:
        """The frames of one write."""
        return list(frames)
