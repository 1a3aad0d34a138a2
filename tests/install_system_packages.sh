#!/bin/sh
# The browser tests need a real Chromium, the tests of many voters a PostgreSQL that they start themselves. Install
# Debian's where they are missing and we may; the tests skip otherwise.
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium"
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing $missing for the tests …"
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
        >/dev/null 2>&1 || echo "$missing could not be installed; the tests that need them will be skipped"
else
    echo "no $missing here, and no right to install it; the tests that need them will be skipped"
fi
