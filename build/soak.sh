#!/usr/bin/env bash
# The long runs. Usage: build/soak.sh [FACTOR]      the crash, property, protocol and integration tests with FACTOR times the seeds and rounds, 20 unless told otherwise
#                        build/soak.sh --seeds N     N seeds of the simulation
#                        build/soak.sh --planted     the search for every planted bug, 200 seeds each
#                        build/soak.sh --service    the Service sample under load: processes killed, frozen, without room on their disks, ten minutes each
#                        build/soak.sh --explore [SCOPE...]   every state of the widest scopes: terms/values/crashes[:in all]/waits, with + or - for an ensemble that grows or shrinks
# The last summaries stand in docs/testing.md.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. build/tally.sh

export TIDEMARK_REQUIRE_ALL=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
results=artifacts/soak-results
rm -rf "$results"
mkdir -p "$results"

case ${1:-} in
--seeds)
  step "${2:-20000} seeds" dotnet run --project tests/Simulator -c Release -- 1 "${2:-20000}"
  ;;
--planted)
  export TIDEMARK_SOAK=1
  planted "$results"
  ;;
--service)
  export TIDEMARK_SOAK=10
  step build dotnet build Tidemark.slnx -c Release -v quiet --nologo
  dotnet test tests/Integration -c Release --no-build --logger "trx;LogFileName=service.trx" --results-directory "$results" --filter "FullyQualifiedName~ServiceFaultTests"
  tally_trx "$results/service.trx"
  ;;
--explore)
  shift
  scopes=("$@")
  [ ${#scopes[@]} -gt 0 ] || scopes=(3/2/1:1/0 3/1/1/0 2/2/1/0 2/1/1/1 3/1/0/0-)
  step build dotnet build tests/Tidemark.Tests -c Release -v quiet --nologo
  export TIDEMARK_EXPLORE_LOG=$PWD/$results/explore.log
  echo "how far it is: $results/explore.log"
  for scope in "${scopes[@]}"; do
    TIDEMARK_EXPLORE=$scope step "scope $scope" dotnet test tests/Tidemark.Tests -c Release --no-build --logger "console;verbosity=detailed" \
      --filter "FullyQualifiedName~ExplorerTests.Every_state_of_the_scope_asked_for"
  done
  ;;
*)
  export TIDEMARK_SOAK=${1:-20}
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
  ;;
esac
finish
