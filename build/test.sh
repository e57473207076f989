#!/usr/bin/env bash
# Runs every test with nothing left out: installs what tests need and is missing, builds, tests, runs the samples, and sums the result files.
# The last line alone says it: "N passed, N failed". What is missing, skipped or aborted counts as failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. build/tally.sh

# Outside programs, by Debian package. A probe says whether it is there already.
install_missing() {
  local missing=()
  command -v strace >/dev/null || missing+=(strace)
  /usr/bin/python3 -c 'import msgpack' 2>/dev/null || missing+=(python3-msgpack)
  ldconfig -p | grep -q 'liblmdb\.so\.0' || missing+=(liblmdb0)
  ldconfig -p | grep -q 'libsqlite3\.so\.0' || missing+=(libsqlite3-0)
  command -v mdb_dump >/dev/null || missing+=(lmdb-utils)
  command -v etcd >/dev/null || missing+=(etcd-server)
  command -v chromium >/dev/null || missing+=(chromium)
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
}
install_missing || echo "Could not install all programs the tests need: the tests that miss them will fail." >&2

# A conversation with the sample for Maelstrom, which ends with its input.
converse() {
  printf '%s\n' '{"src":"c1","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}' \
    '{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":2,"echo":"tide"}}' |
    dotnet run --project samples/Maelstrom -c Release --no-build | grep '"type":"echo_ok","echo":"tide","in_reply_to":2'
}

results=artifacts/test-results
rm -rf "$results"
mkdir -p "$results"
export TIDEMARK_REQUIRE_ALL=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

step build dotnet build Tidemark.slnx -c Release
if [ "$FAILED" -eq 0 ]; then
  for project in $(test_projects); do
    name=$(basename "$project" .csproj)
    echo "== $name"
    dotnet test "$project" -c Release --no-build --logger "trx;LogFileName=$name.trx" --results-directory "$results" --blame-hang-timeout 10m
    tally_trx "$results/$name.trx"
  done
  planted "$results"
  step "sample Quickstart" dotnet run --project samples/Quickstart -c Release --no-build
  step "sample Maelstrom" converse
  step "sample Assertions" dotnet run --project samples/Assertions -c Release --no-build
  step "sample Orders" dotnet run --project samples/Orders -c Release --no-build
  step "sample OfflineNotes" dotnet run --project samples/OfflineNotes -c Release --no-build
  step "sample Telemetry" dotnet run --project samples/Telemetry -c Release --no-build
fi
finish
