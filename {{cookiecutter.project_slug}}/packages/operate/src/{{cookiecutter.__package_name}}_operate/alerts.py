"""Alerts: one message about an event to whoever is configured; a failing one never fails the work."""

import os
import sys
from pathlib import Path

from .settings import Alerts, Event

VARIABLE = "APPRISE_URLS"  # where apprise's own command line looks, too
TITLES: dict[Event, str] = {
    "ingestion": "ingestion failed",
    "data": "bad data",
    "gate": "the gate refused the model",
    "retraining": "retraining failed",
    "drift": "drift found",
    "release": "release done",
    "rollback": "rolled back",
}


def send(settings: Alerts, event: Event, text: str) -> bool:
    """Send one message about an event to every address; return whether all of them took it.

    Without addresses in the settings and in `APPRISE_URLS`, or for an event that is not configured, nothing is sent.
    What goes wrong is said on standard error, without the addresses: they are secret.
    """
    urls = [url.get_secret_value() for url in settings.urls] or os.environ.get(VARIABLE, "").split()
    if event not in settings.events or not urls:
        return True
    title = f"{Path.cwd().name}: {TITLES[event]}"
    try:
        from apprise import Apprise  # it takes its time, and most runs send nothing

        receivers = [Apprise() for _ in urls]
        understood = [receiver.add(url) for receiver, url in zip(receivers, urls, strict=True)]
        taken = [receiver.notify(body=text, title=title) for receiver in receivers if len(receiver)]
        failed = sum(not known for known in understood) + sum(not told for told in taken)
        reason = "it could not be sent, or the address is none that apprise knows"
    except Exception as error:  # whatever a plugin does, the work goes on
        failed, reason = len(urls), type(error).__name__
    if failed:
        print(  # noqa: T201
            f"warning: the alert {title!r} did not reach {failed} of {len(urls)} addresses ({reason}); check "
            "lifecycle.alerts.urls and the network",
            file=sys.stderr,
        )
    return not failed
