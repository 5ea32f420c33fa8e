"""The provider ``whatsapp``: neonize, a Go library inside a Python process.

Only a worker imports what is in here; the parent never does. ``core`` guards every call into
Go, ``decode*`` and ``encode`` translate, ``line`` decides, ``provider`` joins them.
"""
