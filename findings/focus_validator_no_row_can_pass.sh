#!/usr/bin/env bash
# FOCUS's own validator wants things of FOCUS 1.2 that exclude each other: no row passes, whatever stands in it.
#
# Seen with focus-validator 2.2.1 from PyPI (rule set 1.2.0.1, the one it ships) under Python 3.12.1, pandas 2.3.3, polars 1.44.2,
# duckdb 1.5.6, on Debian 12. Three files of one row of usage each, with COMMITMENT_DISCOUNT_SUPPORTED and VIRTUAL_CURRENCY_SUPPORTED:
#
#   row                                     fails
#   no invoice, no commitment               InvoiceId-C-005-C                 (must not be null: asked of every row)
#                                           CommitmentDiscountStatus-C-004-C  (must not be null: asked where the commitment's id IS null)
#   an invoice, a commitment that is Used   InvoiceId-C-004-C                 (must be null: asked of every row)
#                                           CommitmentDiscountStatus-C-005-M  (must be Active, Expired or Pending; FOCUS 1.2 knows Used and Unused)
#   priced in Credits                       PricingCurrency-C-003-M           (must be of ISO 4217; CurrencyFormat lets a virtual currency be text)
#
# The rules' sentences say what the specification says ("… when CommitmentDiscountId is not null and Charge Category is Usage"); their conditions
# do not. Whoever takes "0 failures" for the goal looks for a fault in good data. Of pairs that exclude each other one may fail: compare the names of
# the rules with a list, not their number with 0.
#
# Needs a Python 3.12 (PYTHON names it). Exits 0 while the above holds.
set -euo pipefail

PYTHON=${PYTHON:-$(for one in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12; do
    "$one" -c '' 2>/dev/null && { echo "$one"; break; }; done)}
[ -n "$PYTHON" ] || { echo 'this needs a Python 3.12' >&2; exit 2; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check focus-validator==2.2.1 numpy==1.26.4 pandas==2.3.3 polars==1.44.2 \
    duckdb==1.5.6 pyarrow==21.0.0 pydantic==2.14.4 pandera==0.26.1 sqlglot==27.29.0 2> >(grep -v WARNING >&2)
cd "$place/venv/lib/python3.12/site-packages" # it looks for its list of currencies below where it is run

fails() { # the rules that a row fails, of those that are asked about here
    printf 'BilledCost,BillingAccountId,BillingCurrency,ChargeCategory,ChargeClass,InvoiceId,InvoiceIssuerName,ProviderName,PricingCurrency,CommitmentDiscountId,CommitmentDiscountStatus\n' > "$place/row.csv"
    printf '1.00,a,USD,Usage,,%s,x,x,%s,%s,%s\n' "$@" >> "$place/row.csv"
    "$place/venv/bin/focus-validator" --data-file "$place/row.csv" --validate-version 1.2 --block-download \
        --applicability-criteria COMMITMENT_DISCOUNT_SUPPORTED,PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED,VIRTUAL_CURRENCY_SUPPORTED |
        grep -oE '(InvoiceId-C-00[45]-C|CommitmentDiscountStatus-C-00[345]-[CM]|PricingCurrency-C-003-M): FAIL' | sort | tr '\n' ' '
}

expect() {
    echo "$1: $3"
    [ "$3" = "$2" ] || { echo "  no longer: $2" >&2; exit 1; }
}

expect 'no invoice, no commitment' 'CommitmentDiscountStatus-C-004-C: FAIL InvoiceId-C-005-C: FAIL ' "$(fails '' USD '' '')"
expect 'an invoice, a commitment that is used' 'CommitmentDiscountStatus-C-005-M: FAIL InvoiceId-C-004-C: FAIL ' "$(fails i-1 USD c-1 Used)"
expect 'priced in credits' 'CommitmentDiscountStatus-C-004-C: FAIL InvoiceId-C-005-C: FAIL PricingCurrency-C-003-M: FAIL ' "$(fails '' Credits '' '')"
