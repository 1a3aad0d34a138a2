#!/bin/sh
# The browser tests need a real Chromium. Install Debian's where it is missing and we may; they skip otherwise.
command -v chromium >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing chromium for the browser tests …"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
        >/dev/null 2>&1 || echo "chromium could not be installed; the browser tests will be skipped"
else
    echo "no chromium here, and no right to install it; the browser tests will be skipped"
fi
