#!/bin/bash
# Runs checks by name, shows how each ends, and adds up what their runners
# counted.  "make test" and "make check" call it.
#
#   tests/check.sh STEP...
#
#   unit      C unit tests (cmocka), under the sanitizers
#   e2e       the gateway end to end (pytest), on the installed nginx
#   docs      documentation against source, and the examples with nginx -t
#   lint      cppcheck, shell and Python syntax
#   asan      e2e under AddressSanitizer and UBSAN, nginx's pools open
#   second    e2e on nginx 1.26.3
#   engines   limits on Redis with TLS, Sentinel and Cluster, on Redis 8 and on
#             Valkey
#   static    --add-module: compiles, and nginx -t passes the quickstart
#   fuzz      each fuzzer, FUZZ_SECONDS (60) in all its inputs
#   bench     instructions and system calls per request against their targets
#   soak      mixed load with faults and reloads, SOAK_SECONDS (60)
#   agents    coding agents from npm through the gateway
#   browser   the status page in Chromium
#   image     the container image, built and run
#
# A step's output goes to build/check/STEP.log; the counts to STEP.count.  A
# step that cannot run here is skipped, with its reason, and counts as nothing.

set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
dir=$here/build/check
mkdir -p "$dir"

jobs=$(nproc)
waiting=$((2 * jobs))           # end-to-end tests wait more than they compute
engine_tests="tests/e2e/test_limits.py tests/e2e/test_quota_streams.py"
pytest_args=${PYTEST_ARGS:--q -n $waiting --dist worksteal}


skip() {        # REASON: ends the step
    echo "SKIPPED: $*"
    exit 77
}

need() {        # COMMAND...
    for command; do
        command -v "$command" > /dev/null || skip "$command is not installed"
    done
}

pytest() {
    tests/venv.sh && build/venv/bin/python -m pytest -c tests/pytest.ini \
        --rootdir tests $pytest_args "$@"
}


step_unit() {
    make -j"$jobs" unit
}

step_e2e() {
    make all && pytest tests/e2e
}

step_docs() {
    make all && python3 docs/check.py
}

step_lint() {
    local failed=0

    for script in $(git ls-files '*.sh' .ci/run 2> /dev/null); do
        bash -n "$script" || failed=1
    done
    for script in bin/*; do
        sh -n "$script" || failed=1
        ! command -v shellcheck > /dev/null || shellcheck "$script" || failed=1
    done
    python3 -m compileall -q docs tests bench > /dev/null || failed=1

    if command -v cppcheck > /dev/null; then
        make lint || failed=1
    else
        echo "SKIPPED: cppcheck is not installed"
    fi
    return $failed
}

sanitized() {
    tests/nginx/build-nginx.sh asan || return
    export LLMOPS_NGINX=$here/build/nginx-asan/nginx
    export LLMOPS_MODULE=$here/build/nginx-asan/ngx_llmops_module.so
    export LLMOPS_SLOW=4
    "$@"
}

step_asan() {
    export LLMOPS_ENGINES=${LLMOPS_ENGINES:-shm redis}
    sanitized pytest tests/e2e
}

step_second() {
    export LLMOPS_ENGINES=${LLMOPS_ENGINES:-shm}
    tests/nginx/build-nginx.sh 1.26.3 || return
    export LLMOPS_NGINX=$here/build/nginx-1.26.3/nginx
    export LLMOPS_MODULE=$here/build/nginx-1.26.3/ngx_llmops_module.so
    pytest tests/e2e
}

step_engines() {
    local program bad=0

    make all
    LLMOPS_ENGINES="tls sentinel cluster" pytest $engine_tests || bad=1

    for program in redis valkey; do
        if program=$(tests/redis/newer.sh $program); then
            LLMOPS_REDIS=$program LLMOPS_ENGINES=redis \
                pytest $engine_tests tests/e2e/test_cache_vectors.py || bad=1
        else
            echo "SKIPPED: no newer $program"
        fi
    done
    return $bad
}

step_static() {
    local run=$dir/static
    tests/nginx/build-nginx.sh static || return
    rm -rf "$run" && mkdir -p "$run/logs" "$run/temp"
    cp -r docs/examples/quickstart.d "$run"
    grep -v '^load_module' docs/examples/quickstart.conf \
        > "$run/quickstart.conf"
    build/nginx-static/nginx -p "$run" -c "$run/quickstart.conf" -e stderr -t
}

step_fuzz() {
    # each has its minute all the same
    make -j$((3 * jobs)) fuzz
}

step_bench() {
    make all && bench/run --quick
}

step_soak() {
    tests/venv.sh && sanitized build/venv/bin/python tests/soak/soak.py \
        --seconds "${SOAK_SECONDS:-60}" \
        && make all \
        && env -u LLMOPS_NGINX -u LLMOPS_MODULE -u LLMOPS_SLOW \
            build/venv/bin/python tests/soak/slow.py
}

step_agents() {
    need node npm
    make all && tests/venv.sh && tests/agents/run.sh
}

step_browser() {
    tests/deps.sh chromium || skip "chromium cannot be installed"
    make all && pytest tests/browser -n 1
}

step_image() {
    need buildah podman mmdebstrap
    docker/test.sh
}


# count LOG RC: "passed failed skipped" of what runners wrote
count() {
    python3 - "$1" "$2" << 'END'
import re, sys

text = open(sys.argv[1], errors="replace").read()
text = re.sub(r"\x1b\[[0-9;]*m", "", text)
rc = int(sys.argv[2])
passed = failed = skipped = 0

# pytest: "3 failed, 12 passed, 1 skipped, 2 errors in 4.56s"
for line in re.findall(r"^[= ]*((?:\d+ \w+,? ?)+) in [\d.]+s.*$", text, re.M):
    for n, word in re.findall(r"(\d+) (\w+)", line):
        passed += int(n) * (word == "passed" or word == "xfailed")
        failed += int(n) * (word in ("failed", "error", "errors", "xpassed"))
        skipped += int(n) * (word == "skipped")

# cmocka: "[  PASSED  ] 12 test(s)."
for word, n in re.findall(r"\[  (PASSED|FAILED)  \] (\d+) test\(s\)", text):
    passed += int(n) * (word == "PASSED")
    failed += int(n) * (word == "FAILED")

# ours: "12 passed, 0 failed"
for p, f in re.findall(r"^(\d+) passed, (\d+) failed$", text, re.M):
    passed += int(p)
    failed += int(f)

skipped += len(re.findall(r"^SKIPPED: ", text, re.M))

# each fuzzer that ended well is one check, and so is a step without a runner
# that counts
if rc == 0 and passed == 0 and failed == 0:
    passed = len(re.findall(r"^== fuzz_", text, re.M)) or 1
if rc not in (0, 77) and failed == 0:
    failed = 1
if rc == 77:
    passed = failed = 0
print(passed, failed, skipped)
END
}

bad=0

for step; do
    if ! declare -F "step_$step" > /dev/null; then
        echo "$0: there is no step $step" >&2
        exit 2
    fi

    echo "---- $step"
    began=$SECONDS
    log=$dir/$step.log
    (step_"$step") 2>&1 | tee "$log"
    rc=${PIPESTATUS[0]}
    count "$log" "$rc" > "$dir/$step.count"
    echo "$rc $((SECONDS - began))" > "$dir/$step.rc"
    [ "$rc" = 0 ] || [ "$rc" = 77 ] || bad=1
done

tests/summary.sh "$@" || bad=1
exit $bad
