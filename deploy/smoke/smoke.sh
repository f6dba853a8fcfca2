#!/bin/sh
# What must work before anything else does: two machines enrolled and alive, a command on each, a log, a command that is
# denied, and an audit log that proves it. Runs where labctl is logged in as an administrator; used by compose.yaml here
# and by tests/enrol-exec-logs-access.test.ts.
#
#     smoke.sh NAME NAME LOGFILE      two servers, and a file that both agents may show
set -eu
first=$1 second=$2 log=$3
labctl=${LABCTL:-labctl}

fail() {
  echo "smoke: $*" >&2
  exit 1
}
step() { echo "smoke: $*"; }

step 'both are online'
tries=0
until [ "$("$labctl" get servers --status online -o name | wc -l)" -eq 2 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 120 ] || fail "after a minute: $("$labctl" get servers)"
  sleep 0.5
done

step 'a command on each'
for server in "$first" "$second"; do
  [ "$("$labctl" exec "server/$server" -- echo "hello $server")" = "hello $server" ] || fail "exec on $server"
done
code=0
"$labctl" exec "server/$first" -c 'exit 7' || code=$?
[ "$code" -eq 7 ] || fail "exit 7 came back as $code"

step 'a log'
"$labctl" exec "server/$first" -c "echo 'a line of smoke' >> $log"
"$labctl" logs "server/$first" --file "$log" --tail 1 | grep -q 'a line of smoke' || fail 'the line is not in the log'

step 'a command that is denied'
viewer=$(mktemp -d)
trap 'rm -rf "$viewer"' EXIT
login=$("$labctl" create user "smoke-$$" --role viewer)
token=$(echo "$login" | sed -n 's/^printf %s \([^ ]*\) .*/\1/p')
url=$(echo "$login" | sed -n 's/.*labctl login \([^ ]*\) .*/\1/p')
pin=$(echo "$login" | sed -n 's/.*--ca-pin \([^ ]*\) .*/\1/p')
printf %s "$token" | HOME=$viewer "$labctl" login "$url" --ca-pin "$pin" --token-file -
HOME=$viewer "$labctl" get servers -o name >/dev/null || fail 'a viewer may look'
if HOME=$viewer "$labctl" exec "server/$first" -- true 2>"$viewer/said"; then fail 'a viewer may not run commands'; fi
grep -qi 'denied' "$viewer/said" || fail "it was refused, but not as denied: $(cat "$viewer/said")"

step 'the audit log'
"$labctl" audit verify
"$labctl" audit list --json | grep -q '"denied"' || fail 'the refusal is not in the audit log'
echo 'smoke: all is well'
