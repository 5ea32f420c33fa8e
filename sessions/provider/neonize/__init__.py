"""The provider ``whatsapp``: neonize, a Go library inside a Python process.

Only a worker imports what is in here; the parent no more than ``journal``, which is values.
``core`` guards every call into Go, ``decode*`` and ``encode`` translate, ``line`` decides,
``provider`` joins them.
"""
