#!/usr/bin/env bash
# The same two journals come to 17 in hledger when one includes the other, and to 32 as `-f one -f other`; both pass its strict checks.
#
# Seen with hledger 1.25 (Debian 12's 1.25-2+b5). Each month's journal is whole by itself: it begins with the balances that the month before
# ended with, as balance assignments (`account  = 15 USD`: whatever is missing to that), and ends with assertions.
#
#   hledger -f november.journal balance                     17 USD
#   include october.journal, include november.journal       17 USD   the assignment finds 15 there, and moves nothing
#   hledger -f october.journal -f november.journal balance  32 USD   the assignment sees its own file alone, and adds 15 once more
#
# `hledger check` says nothing in any of the three: each -f has its assertions tried alone, and the report adds up what all of them moved.
# Of journals that are to be read together, only the first may open, or they must be included.
#
# Takes Debian's package apart in a temporary folder (apt-get download, dpkg-deb). Exits 0 while the above holds.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt-get -qq download hledger=1.25-2+b5 2>/dev/null || { apt-get -qq update && apt-get -qq download hledger=1.25-2+b5; }
dpkg-deb -x hledger_*.deb hledger
hledger() { LANG=C.UTF-8 "$place/hledger/usr/bin/hledger" "$@"; }

month() { # number, opening, movement, closing
    cat <<JOURNAL
2026-$1-01 * opening balances
    assets:bank    = $2 USD
    equity:owners  = -$2 USD

2026-$1-05 * earned
    assets:bank    $3 USD
    equity:owners  -$3 USD

2026-$1-28 * control totals
    assets:bank    0 USD = $4 USD
    equity:owners  0 USD = -$4 USD
JOURNAL
}

expect() {
    hledger check "${@:3}"
    found=$(hledger balance assets:bank --no-total "${@:3}" | awk '{print $1}')
    echo "$1: $found USD"
    [ "$found" = "$2" ] || { echo "  no longer $2 USD" >&2; exit 1; }
}

month 10 10 5 15 > october.journal
month 11 15 2 17 > november.journal
printf 'include october.journal\ninclude november.journal\n' > both.journal
expect 'november alone' 17 -f november.journal
expect 'both, included' 17 -f both.journal
expect 'both, with -f each' 32 -f october.journal -f november.journal
