#!/bin/sh
# install.sh FOLDER   install the Autobahn Testsuite into FOLDER and print the path of its program
#
# The suite is Python 2 code: it runs in a virtual environment of a Python 2.7, looked for in PATH and
# in pyenv's folder. Exit status 3 when this machine has none.
set -eu
folder=${1:?usage: install.sh FOLDER}
version=25.10.1
wstest=$folder/$version/bin/wstest

if [ ! -x "$wstest" ]; then
    for candidate in python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
        # A shim of pyenv exists without working: ask it.
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "${python:-}" ]; then
        echo "no Python 2.7 in PATH or in pyenv's folder: the Autobahn Testsuite can't run" >&2
        exit 3
    fi
    rm -rf "${folder:?}/$version" "$folder/virtualenv"
    mkdir -p "$folder"
    {
        "$python" -m pip install -qq --target "$folder/virtualenv" 'virtualenv<20.22'
        PYTHONPATH=$folder/virtualenv "$python" -m virtualenv --quiet "$folder/$version"
        "$folder/$version/bin/python" -m pip install -qq "autobahntestsuite==$version"
    } >&2
fi
echo "$wstest"
