#!/bin/sh
# install.sh FOLDER   install what tests/interop and tests/proxies talk to, on Debian, as root
#
# Programs by apt-get; Node's package ws into FOLDER, whose node_modules belongs in NODE_PATH. The
# Python packages aiohttp and websocket-client are the business of whoever makes the environment.
set -eu
folder=${1:?usage: install.sh FOLDER}

wanted='chromium nginx-light nodejs openssl squid-openssl'
command -v npm >/dev/null || wanted="$wanted npm"
absent=
for package in $wanted; do
    case $package in
        nodejs) command -v node >/dev/null && continue ;;
    esac
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || absent="$absent $package"
done
if [ -n "$absent" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # A daemon of the tests listens on ports of their choice: nothing starts by itself.
    # shellcheck disable=SC2086  # a list of words
    RUNLEVEL=1 apt-get install -qq --no-install-recommends $absent >/dev/null
fi

if [ ! -d "$folder/node_modules/ws" ]; then
    mkdir -p "$folder"
    npm install --silent --no-audit --no-fund --prefix "$folder" ws@8
fi
