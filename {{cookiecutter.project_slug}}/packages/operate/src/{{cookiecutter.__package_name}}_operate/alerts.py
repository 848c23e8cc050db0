"""Alerts: send a message about an event to the configured addresses; a failed alert never fails the work."""

import os
import sys
from pathlib import Path

from .settings import Alerts, Event

VARIABLE = "APPRISE_URLS"  # apprise's own command line reads it too
TITLES: dict[Event, str] = {
    "ingestion": "ingestion failed",
    "data": "invalid data",
    "gate": "the gate refused the model",
    "retraining": "retraining failed",
    "drift": "drift found",
    "release": "release done",
    "rollback": "rolled back",
}


def send(settings: Alerts, event: Event, text: str) -> bool:
    """Send a message about an event to every address; return whether all of them accepted it.

    Nothing is sent for an event that is not configured, or if neither the settings nor `APPRISE_URLS` have addresses.
    Failures are reported on standard error, without the addresses, which are secret.
    """
    urls = [url.get_secret_value() for url in settings.urls] or os.environ.get(VARIABLE, "").split()
    if event not in settings.events or not urls:
        return True
    title = f"{Path.cwd().name}: {TITLES[event]}"
    try:
        from apprise import Apprise  # slow to import, and most runs send nothing

        receivers = [Apprise() for _ in urls]
        understood = [receiver.add(url) for receiver, url in zip(receivers, urls, strict=True)]
        taken = [receiver.notify(body=text, title=title) for receiver in receivers if len(receiver)]
        failed = sum(not known for known in understood) + sum(not told for told in taken)
        reason = "apprise could not send it, or does not recognise the address"
    except Exception as error:  # a failing plugin must not stop the work
        failed, reason = len(urls), type(error).__name__
    if failed:
        print(  # noqa: T201
            f"warning: the alert {title!r} did not reach {failed} of {len(urls)} addresses ({reason}); check "
            "lifecycle.alerts.urls and the network",
            file=sys.stderr,
        )
    return not failed
