#!/usr/bin/env bash
# Installs Headrace from this checkout: the program with a Node of its own, a command `headrace`, and a systemd service where there is
# systemd. Run again, it brings the installation to this checkout's version. A step that fails leaves the system as it was.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: install.sh --role edge|core [options]
       install.sh --uninstall [--purge] [options]

  --role ROLE      edge: the agent on a gateway; core: ingress, batch jobs, analysers
  --config FILE    configuration, copied to /etc/headrace/ROLE.yaml unless that exists already
  --prefix DIR     where the program goes                      (default /opt/headrace)
  --root DIR       a root file system other than /, for images (default /)
  --no-service     no user, no systemd unit
  --dry-run        says what it would do, and does nothing
  --uninstall      removes program and service; configuration and data stay
  --purge          with --uninstall: removes configuration and data as well
TEXT
}

fail() { printf 'install: %s\n' "$1" >&2; exit "${2:-1}"; }
say() { printf 'install: %s\n' "$1"; }

role='' config='' prefix=/opt/headrace root='' service=yes dry='' uninstall='' purge=''
while [ $# -gt 0 ]; do
  case "$1" in
    --role | --config | --prefix | --root)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case "$1" in --role) role=$2 ;; --config) config=$2 ;; --prefix) prefix=$2 ;; --root) root=${2%/} ;; esac
      shift 2 ;;
    --no-service) service=''; shift ;;
    --dry-run) dry=yes; shift ;;
    --uninstall) uninstall=yes; shift ;;
    --purge) purge=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" 2 ;;
  esac
done

run() {
  if [ -n "$dry" ]; then printf 'would run:'; printf ' %q' "$@"; printf '\n'; else "$@"; fi
}

etc=$root/etc/headrace state=$root/var/lib/headrace command=$root/usr/local/bin/headrace
[ -d "$root/run/systemd/system" ] || service=''

if [ -n "$uninstall" ]; then
  for unit in edge core; do
    [ -f "$root/etc/systemd/system/headrace-$unit.service" ] || continue
    [ -z "$service" ] || run systemctl disable --now "headrace-$unit.service"
    run rm -f "$root/etc/systemd/system/headrace-$unit.service"
  done
  run rm -f "$command"
  run rm -rf "$root$prefix"
  [ -z "$purge" ] || run rm -rf "$etc" "$state"
  say "removed${purge:+, with configuration and data}"
  exit 0
fi

[ -z "$purge" ] || fail '--purge goes with --uninstall' 2
case "$role" in edge | core) ;; *) usage >&2; fail '--role has to be edge or core' 2 ;; esac
[ "$(uname -s)" = Linux ] || fail "this is $(uname -s); Headrace is installed on Linux"
case "$(uname -m)" in
  x86_64 | aarch64) ;;
  *) fail "no Headrace for $(uname -m): x86_64 and aarch64 have prebuilt parts, others do not" ;;
esac
[ -z "$config" ] || [ -r "$config" ] || fail "cannot read $config" 2
for tool in node npm; do command -v "$tool" >/dev/null || fail "$tool is missing; Node 20 or newer with npm is needed to install"; done
here=$(cd "$(dirname "$0")" && pwd)
version=$(node -p "require('$here/package.json').version")
target=$root$prefix/$version
free_kib=$(df -Pk "$(d=$root$prefix; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; printf %s "$d")" | awk 'NR == 2 { print $4 }')
[ "$free_kib" -ge 600000 ] || fail "$free_kib KiB are free for $prefix, 600000 are needed"
[ -n "$dry" ] || [ -w "$(d=$root$prefix; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; printf %s "$d")" ] || fail 'not permitted to write there; run it as root'

fresh=$target.new
trap '[ -z "$dry" ] && rm -rf "$fresh"' EXIT
run rm -rf "$fresh"
run mkdir -p "$fresh"
run cp -R "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$here/src" "$here/hardware" "$here/scripts" "$here/LICENSE" "$fresh/"
run env HEADRACE_OMIT=dev node "$fresh/scripts/setup.mjs"
run "$fresh/node_modules/node/bin/node" "$fresh/src/cli/main.ts" --version
run rm -rf "$target"
run mv "$fresh" "$target"

run mkdir -p "$(dirname "$command")" "$etc" "$state"
if [ -z "$dry" ]; then
  printf '#!/bin/sh\nexec %s/%s/node_modules/node/bin/node %s/%s/src/cli/main.ts "$@"\n' "$prefix" "$version" "$prefix" "$version" >"$command.new"
  chmod 755 "$command.new"
  mv "$command.new" "$command"
fi
if [ -n "$config" ] && [ ! -e "$etc/$role.yaml" ]; then run cp "$config" "$etc/$role.yaml"; fi

if [ -n "$service" ]; then
  id headrace >/dev/null 2>&1 || run useradd --system --home-dir /var/lib/headrace --shell /usr/sbin/nologin --groups dialout headrace
  run chown headrace: "$state"
  if [ -z "$dry" ]; then
    cat >"$root/etc/systemd/system/headrace-$role.service" <<UNIT
[Unit]
Description=Headrace $role
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/local/bin/headrace $role --config /etc/headrace/$role.yaml
User=headrace
SupplementaryGroups=dialout
StateDirectory=headrace
Restart=always
RestartSec=2
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
UNIT
  fi
  run systemctl daemon-reload
  if [ -e "$etc/$role.yaml" ]; then run systemctl enable --now "headrace-$role.service"; run systemctl restart "headrace-$role.service"; fi
fi
say "${dry:+would have }installed headrace $version as $role in $prefix"
[ -e "$etc/$role.yaml" ] || say "next: write $etc/$role.yaml, check it with \"headrace validate\", start \"headrace $role --config $etc/$role.yaml\""
