#!/bin/sh
# Writes what two agents join with into a folder: `pin` and `token`, out of the line that `labctl create token` prints.
# Asks labd's admin socket on this machine.
#
#     setup.sh FOLDER
set -eu
folder=$1
labctl=${LABCTL:-labctl}
umask 077
line=$("$labctl" create token --reusable --max-uses 2 --ttl 1h --local)
echo "$line" | sed -n 's/^printf %s \([^ ]*\) .*/\1/p' | tr -d '\n' >"$folder/token"
echo "$line" | sed -n 's/.*--ca-pin \([^ ]*\).*/\1/p' | tr -d '\n' >"$folder/pin"
[ -s "$folder/pin" ] && [ -s "$folder/token" ]
