"""Real proxies on loopback, and our client going through them.

``lab.py`` starts daemons, each kind in a module of its own with a method of the lab that
finds it; ``faces.py`` has the faces of the library that run each scenario, and
``conftest.py`` what every test has, with the watch over secrets. A daemon that is
missing is named and its tests are skipped; where ``CI`` is set they fail.
"""
