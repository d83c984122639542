# Runs the jobs of .ci/run, keeps their logs under artifacts/ci and counts what passed and failed.

passed=0
failed=0
logs=artifacts/ci
mkdir -p "$logs"

# job NAME COMMAND…: one check, passed if the command succeeds.
job() {
    local name=$1 log="$logs/${1// /-}.log"
    shift
    echo "== $name"
    local start=$SECONDS
    if "$@" >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "   passed in $((SECONDS - start)) s"
    else
        failed=$((failed + 1))
        echo "   FAILED in $((SECONDS - start)) s; the end of $log:"
        tail -n 60 "$log" | sed 's/^/   | /'
    fi
}

# tests NAME COMMAND…: the tests of each run that the command reports are counted one by one; a run that reports none has failed.
tests() {
    local name=$1 log="$logs/${1// /-}.log"
    shift
    echo "== $name"
    local start=$SECONDS status=0
    "$@" >"$log" 2>&1 </dev/null || status=$?
    local good bad
    good=$(sed -nE 's/^ +succeeded: ([0-9]+)$/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
    bad=$(sed -nE 's/^ +failed: ([0-9]+)$/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$good" -eq 0 ]; then
        bad=$((bad + 1))
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    echo "   $good passed, $bad failed in $((SECONDS - start)) s"
    if [ "$bad" -ne 0 ]; then
        echo "   from $log:"
        grep -nE -A 12 '^failed |error ' "$log" | head -n 80 | sed 's/^/   | /'
    elif [ -e artifacts/conformance.txt ]; then
        sed 's/^/   | /' artifacts/conformance.txt
    fi
    rm -f artifacts/conformance.txt
}

summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
