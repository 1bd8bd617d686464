#!/usr/bin/env bash
# Says what is missing before npm would say it less clearly.
set -u
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "VoiceOI needs Node.js 20 or newer and npm: https://nodejs.org, or your system's packages nodejs and npm." >&2
  exit 1
fi
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 18 ]; then
  echo "VoiceOI needs Node.js 20 or newer to install itself; this is $(node --version)." >&2
  exit 1
fi
