#!/bin/sh
# One cell of the plan beside this file, on this machine: run-cell.sh ID [further options of `fleet run-cell`].
# The program is bin/ARCHITECTURE/whichquant here, else $WHICHQUANT, else the one on PATH.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 1
program=$here/bin/$(uname -m)/whichquant
[ -x "$program" ] || program=${WHICHQUANT:-whichquant}
id=$1
shift
exec "$program" fleet run-cell "$id" --plan "$here" --once ${FLEET_SIGN_KEY:+--sign-key "$FLEET_SIGN_KEY"} \
    ${FLEET_LABEL:+--label "$FLEET_LABEL"} "$@"
