"""Programs of others that speak WebSocket, on the other side of ours.

``scenarios.py`` says what is done and what must come out; every program in ``peers/``
does the same in its own way. ``make interop`` runs these tests; ``install.sh`` brings
the programs.
"""
