# Sourced by the scripts that run tests: counts what passed and failed, from result files and steps.
PASSED=0
FAILED=0

# step NAME COMMAND...: runs a command that passes or fails as one.
step() {
  local name=$1
  shift
  echo "== $name"
  if "$@"; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); echo "FAILED: $name"; fi
}

# The test projects of the solution.
test_projects() {
  sed -n 's/.*Path="\(tests\/[^"]*\.csproj\)".*/\1/p' Tidemark.slnx | while read -r project; do
    grep -q '<IsTestProject>true' "$project" && echo "$project"
  done
}

# planted DIRECTORY: the tests that see planted bugs found, in a build of their own; nothing else runs in it.
planted() {
  echo "== planted bugs"
  dotnet build tests/Tidemark.Tests -c Release -p:Planted=true -v quiet --nologo || { FAILED=$((FAILED + 1)); return; }
  dotnet test tests/Tidemark.Tests -c Release --no-build -p:Planted=true --filter "FullyQualifiedName~PlantedBugs" \
    --logger "trx;LogFileName=Planted.trx" --results-directory "$1" --blame-hang-timeout 15m
  tally_trx "$1/Planted.trx"
}

# tally_trx FILE: adds a result file. A missing file, an aborted run, no test at all and every test that was not executed count as failed.
tally_trx() {
  local file=$1 counters outcome
  counters=$(grep -o '<Counters [^>]*' "$file" 2>/dev/null | head -n 1)
  outcome=$(grep -o '<ResultSummary outcome="[^"]*"' "$file" 2>/dev/null | head -n 1 | cut -d'"' -f2)
  local total passed
  total=$(counter total "$counters")
  passed=$(counter passed "$counters")
  if [ -z "$total" ] || [ -z "$passed" ]; then
    FAILED=$((FAILED + 1))
    echo "FAILED: no result file $file, or one that was cut off"
    return
  fi

  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + total - passed))   # Failed, skipped, not executed.
  if [ "$total" -eq 0 ]; then
    FAILED=$((FAILED + 1))
    echo "FAILED: $file holds no test"
  elif [ "$total" -eq "$passed" ] && [ "$outcome" != Completed ]; then
    FAILED=$((FAILED + 1))
    echo "FAILED: the run of $file ended as '$outcome'"
  fi
}

counter() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$2"; }

finish() {
  echo "$PASSED passed, $FAILED failed"
  [ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]
  exit
}
