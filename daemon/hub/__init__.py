"""One ordered stream of events a workspace: encoded once, kept in a ring, read by cursors.

::

    publish(Published) ─► envelope (bytes) ─► ring ─► channel ─► groups (one a distinct interest)
                                                │                   └─ wake those that wait
                                                └─ take() ◄── subscribers, each a cursor

The publisher never waits and never raises. What a slow reader costs is its own cursor: no
event is queued for anybody. Framing is a port: a transport turns frames into its bytes.
"""

from __future__ import annotations
