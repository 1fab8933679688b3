"""The job that deletes what has run out: what we said we keep for some hours is not kept for longer."""

from collections.abc import Callable

from idp.services import Services

BATCH = 500
MOST_BATCHES = 20  # a run: what is left over waits for the next one


class CleanUp:
    """Deletes drafts, refresh tokens and known devices that are over. Any number of processes may run it: a row is deleted by one."""

    def __init__(self, services: Services) -> None:
        """Take the services."""
        self._verbs: tuple[Callable[..., int], ...] = (
            services.drafts.delete_expired,
            services.grants.delete_expired,
            services.known_devices.delete_expired,
        )

    def run_once(self) -> int:
        """Delete in small transactions, so that nobody waits for a long one; gives how many rows it were."""
        return sum(_delete(verb) for verb in self._verbs)


def _delete(delete_expired: Callable[..., int]) -> int:
    deleted = 0
    for _ in range(MOST_BATCHES):
        batch = delete_expired(most=BATCH)
        deleted += batch
        if batch < BATCH:
            break
    return deleted
