"""What the law gives people a right to: their data in a file, and that it be forgotten.

Both are jobs (:mod:`daemon.services.jobs`), asked for with the scope ``admin``: ``exports`` writes
a zip, ``erasure`` removes a contact everywhere and reports what it removed where.
"""

from __future__ import annotations
