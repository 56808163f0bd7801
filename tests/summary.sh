#!/bin/bash
# Shows what the checks of the last run counted, and the sum of them.
#
#   tests/summary.sh [STEP...]          without names: all that have run

set -u

cd "$(dirname "$0")/../build/check" || exit 1
[ $# -gt 0 ] || set -- $(ls -tr -- *.count 2> /dev/null | sed 's/\.count$//')

total_passed=0 total_failed=0 total_skipped=0

echo
printf '%-10s %8s %8s %8s %8s\n' check passed failed skipped seconds

for step; do
    read -r passed failed skipped < "$step.count"
    read -r rc seconds < "$step.rc"
    printf '%-10s %8d %8d %8d %8d\n' \
        "$step" "$passed" "$failed" "$skipped" "$seconds"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    total_skipped=$((total_skipped + skipped))
done

for step; do
    sed -n "s/^SKIPPED: /skipped in $step: /p" "$step.log"
done | sort -u

echo
echo "$total_passed passed, $total_failed failed"
[ $total_failed = 0 ]
