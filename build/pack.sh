#!/usr/bin/env bash
# Packs the packages into packages-local/, which is a package source for projects in and below this directory.
# usage: build/pack.sh [VERSION]     The default is new each time, since a package cache never looks at a version twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-0.1.0-local.$(date -u +%Y%m%d%H%M%S)}

for project in $(grep -rl --include='*.csproj' 'Package.props' src | sort); do
  dotnet pack "$project" -c Release -v quiet -o packages-local -p:Version="$version"
done
echo "packed $version"
