"""Real proxies on loopback, and our client going through them.

``lab.py`` starts daemons, each kind in a module of its own with a method of the lab that
finds it; ``conftest.py`` has the conversation that every test has. A daemon that is
missing is named and its tests are skipped; where ``CI`` is set they fail.
"""
