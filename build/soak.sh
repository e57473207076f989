#!/usr/bin/env bash
# The long runs: the crash, property and integration tests with more seeds and rounds. Usage: build/soak.sh [FACTOR], 20 unless told otherwise.
# The last summary stands in docs/testing.md.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. build/tally.sh

export TIDEMARK_SOAK=${1:-20} TIDEMARK_REQUIRE_ALL=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
results=artifacts/soak-results
rm -rf "$results"
mkdir -p "$results"
step build dotnet build Tidemark.slnx -c Release
if [ "$FAILED" -eq 0 ]; then
  for project in $(test_projects); do
    name=$(basename "$project" .csproj)
    echo "== $name, factor $TIDEMARK_SOAK"
    dotnet test "$project" -c Release --no-build --logger "trx;LogFileName=$name.trx" --results-directory "$results" \
      --filter "FullyQualifiedName~.Crash.|FullyQualifiedName~.Properties.|FullyQualifiedName~ReplicaCoreProperties|FullyQualifiedName~.Model.|FullyQualifiedName~Integration"
    tally_trx "$results/$name.trx"
  done
fi
finish
