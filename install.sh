#!/bin/sh
# Installs Headrace on Debian, Ubuntu, Raspberry Pi OS and the RHEL family, x64 or arm64, from a bundle that brings everything along, its Node
# too. Looks at everything before it touches anything; a step that fails leaves the system as it was. Run again, it changes only what differs.
set -eu
export LC_ALL=C
umask 022

usage() {
  cat <<'TEXT'
usage: install.sh --role edge|core|all [options]     installs, or brings to this version
       install.sh --rollback [options]               back to the version before
       install.sh --uninstall [--purge] [options]

  --role ROLE        edge: the agent on a gateway; core: ingress, batch jobs, analysers; all: both
  --config FILE      configuration, copied to /etc/headrace unless one is there: an edge.yaml, a core.yaml or a pipeline (it is seen
                     from what it says which of them); may be given again
  --enroll TOKEN     gets this gateway its certificate from its core (see "headrace enroll")
  --offline BUNDLE   the bundle to install from: a headrace-….tar.xz. Without it: the bundle that this script lies in, or, in a clone,
                     one that is made there first
  --sha256 HEX       what the bundle's SHA-256 has to be; without it, a SHA256SUMS beside the bundle is looked at where there is one
  --one-way          goes on where the new version changes stored state so that there is no way back
  --no-service       no user, no systemd units
  --health-within S  how long records may take to move after the switch, in seconds (default 90)
  --root DIR         a root file system other than /, for images
  --dry-run          looks at everything, says what it would do, and does nothing
  --uninstall        removes program and services; configuration and data stay
  --purge            with --uninstall: removes configuration, data and user as well
TEXT
}

say() { printf 'install: %s\n' "$1"; }
# fail MESSAGE [EXIT CODE]: 1 where something went wrong, 2 where the user's input or system is not fit.
fail() {
  printf 'install: %s\n' "$1" >&2
  exit "${2:-1}"
}

role='' configs='' token='' offline='' sha256='' one_way='' service=yes within=90 root='' dry='' action=install purge=''
while [ $# -gt 0 ]; do
  case $1 in
    --role | --config | --enroll | --offline | --sha256 | --health-within | --root)
      # An empty one is a variable that was not set: as --root it would be this system, as --sha256 no check at all.
      [ -n "${2-}" ] || fail "$1 needs a value" 2
      case $1 in
        --role) role=$2 ;;
        --config) configs="$configs$2
" ;;
        --enroll) token=$2 ;;
        --offline) offline=$2 ;;
        --sha256) sha256=$(printf %s "$2" | tr A-F a-f) ;;
        --health-within) within=$2 ;;
        --root) root=${2%/} ;;
      esac
      shift ;;
    --one-way) one_way=yes ;;
    --no-service) service='' ;;
    --dry-run) dry=yes ;;
    --rollback) action=rollback ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    -h | --help)
      usage
      exit 0 ;;
    *)
      usage >&2
      fail "unknown option $1" 2 ;;
  esac
  shift
done

home=/opt/headrace
work='' undo='' finished=''
set_paths() {
  prefix=$root$home etc=$root/etc/headrace state=$root/var/lib/headrace link=$root/usr/local/bin/headrace units=$root/etc/systemd/system
  share=$root/usr/local/share sysusers=$root/etc/sysusers.d/headrace.conf
  bash_completion=$share/bash-completion/completions/headrace zsh_completion=$share/zsh/site-functions/_headrace man=$share/man/man1/headrace.1
}

# --- undoing -----------------------------------------------------------------------------------------------------------------------------
# Each step first says how it is undone, a line of shell; what was said is done backwards where the script ends before it is done.
undoing() {
  undo="$*
$undo"
}
# Quotes a path for the shell; none of them has a quote in it, see plain.
q() { printf "'%s'" "$1"; }
# plain WORD WHAT: refuses what could mean something else in a path or to a shell.
plain() {
  case $1 in *[!A-Za-z0-9._+/-]*) fail "$2 has characters other than letters, digits and . _ + / -: $1" 2 ;; esac
}
ended() {
  code=$?
  # Nothing stops it any more: neither a second Ctrl-C, nor that who reads what it says is gone, as the tee behind it is after the first.
  trap - EXIT
  trap '' HUP INT TERM PIPE
  set +e
  if [ -z "$finished" ] && [ -n "$undo" ]; then
    say 'a step failed: putting everything back' >&2
    eval "$undo"
    say 'everything is as it was' >&2
  elif [ -n "$work" ]; then
    rm -rf "$work"
    # A dry run has no lock: one that is there is another's.
    [ -n "$dry" ] || rm -f "$prefix/.lock"
  fi
  exit "$code"
}
trap ended EXIT
trap 'exit 130' HUP INT
trap 'exit 143' TERM
trap 'exit 141' PIPE

# A directory that may be there; those that are not are made, and undone.
dir() {
  [ -d "$1" ] && return 0
  dir "$(dirname "$1")"
  undoing "rmdir $(q "$1") 2>/dev/null"
  mkdir "$1"
}
# place FROM TO MODE: a file, written beside and moved there; the one before comes back where a later step fails.
place() {
  dir "$(dirname "$2")"
  if [ -f "$2" ] && cmp -s "$1" "$2"; then return 0; fi
  changed=yes
  if [ -e "$2" ]; then
    kept=$work/kept.$(printf %s "$2" | tr / _)
    cp -p "$2" "$kept"
    undoing "mv -f $(q "$kept") $(q "$2")"
  else
    undoing "rm -f $(q "$2")"
  fi
  undoing "rm -f $(q "$2.headrace-new")"
  cp "$1" "$2.headrace-new"
  chmod "$3" "$2.headrace-new"
  mv -f "$2.headrace-new" "$2"
}
# point LINK TARGET: a symbolic link, switched in one step.
point() {
  [ "$(readlink "$1" 2>/dev/null || :)" != "$2" ] || return 0
  dir "$(dirname "$1")"
  changed=yes
  if [ -L "$1" ]; then
    undoing "ln -sfn $(q "$(readlink "$1")") $(q "$1.headrace-old") && mv -Tf $(q "$1.headrace-old") $(q "$1")"
  elif [ -e "$1" ]; then
    kept=$work/kept.$(printf %s "$1" | tr / _)
    cp -p "$1" "$kept"
    undoing "mv -Tf $(q "$kept") $(q "$1")"
  else
    undoing "rm -f $(q "$1")"
  fi
  undoing "rm -f $(q "$1.headrace-new")"
  # One that was left by a run that was killed leads into a folder: it is replaced, and not gone through.
  ln -sfn "$2" "$1.headrace-new"
  mv -Tf "$1.headrace-new" "$1"
}

# --- the system --------------------------------------------------------------------------------------------------------------------------
need() {
  for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing, which this script needs" 2; done
}
# field FILE NAME: the value of a line NAME=value, without quotes; nothing where there is none.
field() {
  while IFS='=' read -r field_name field_value; do
    [ "$field_name" = "$2" ] || continue
    field_value=${field_value#\"}
    printf %s "${field_value%\"}"
    return 0
  done <"$1"
}
nearest() {
  at=$1
  while [ ! -d "$at" ]; do at=$(dirname "$at"); done
  printf %s "$at"
}
running_systemd() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

check_system() {
  need sed tar sha256sum mktemp readlink df cmp awk flock
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); Headrace is installed on Linux" 2
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) fail "no Headrace for $(uname -m): x86_64 and aarch64 have prebuilt parts, others do not" 2 ;;
  esac
  [ -r "$root/etc/os-release" ] || fail "$root/etc/os-release is missing: this is none of the systems that Headrace is made for" 2
  case " $(field "$root/etc/os-release" ID) $(field "$root/etc/os-release" ID_LIKE) " in
    *' debian '* | *' ubuntu '* | *' raspbian '* | *' rhel '* | *' fedora '* | *' centos '*) ;;
    *) fail "$(field "$root/etc/os-release" PRETTY_NAME) is none of the systems that Headrace is made for: Debian, Ubuntu, Raspberry Pi OS, the RHEL family" 2 ;;
  esac
}
check_rights() {
  [ "$(id -u)" = 0 ] || fail 'not permitted: run it as root' 2
  for folder in "$prefix" "$etc" "$link" "$state"; do
    at=$(nearest "$(dirname "$folder")")
    [ -w "$at" ] || fail "$at cannot be written to: is its file system mounted read-only? Mount it for writing while this runs" 2
  done
}
lock() {
  exec 9>"$prefix/.lock"
  flock -n 9 || fail 'another install.sh is at work'
}
# One at a time; the lock ends with the process, however it ends. Makes $work, on the file system that everything goes to.
begin_work() {
  dir "$prefix"
  lock
  undoing "rm -f $(q "$prefix/.lock")"
  rm -rf "$prefix"/.work.*
  work=$prefix/.work.$$
  undoing "rm -rf $(q "$work")"
  mkdir -m 700 "$work"
}
# For a dry run $work is where it touches nothing; what is unpacked there is started there, too.
begin_trial() {
  work=$(mktemp -d)
  free=$(free_mib "$work")
  [ "$free" -ge "$NEEDED_MIB" ] || fail "$free MiB are free in $(dirname "$work"), where a dry run unpacks the bundle, and $NEEDED_MIB are needed: set TMPDIR to another folder" 2
  printf '#!/bin/sh\n' >"$work/program"
  chmod 700 "$work/program"
  "$work/program" 2>/dev/null || fail "no program may be started in $(dirname "$work"), where a dry run unpacks the bundle (it is mounted with noexec): set TMPDIR to another folder" 2
}
# What a run that was killed, or lost its power, has begun is done and looked at anew by the next: it may lack no more than the start of a service.
begin_change() {
  changed=''
  if [ -e "$prefix/.unfinished" ]; then
    changed=yes
  else
    undoing "rm -f $(q "$prefix/.unfinished")"
    : >"$prefix/.unfinished"
  fi
}

# What is installed: its folder, such as 0.1.0+1a2b3c4d5e; empty where nothing is.
current() { basename "$(readlink "$prefix/current" 2>/dev/null || :)"; }
previous() { basename "$(readlink "$prefix/previous" 2>/dev/null || :)"; }
program() { printf '%s/versions/%s/bin/headrace' "$prefix" "$1"; }

# Roles whose services are on, a word each.
roles_on() {
  for each in core edge; do
    if [ -e "$units/multi-user.target.wants/headrace-$each.service" ]; then printf '%s ' "$each"; fi
  done
}

roles_with_unit() {
  for each_unit in edge core; do
    if [ -e "$units/headrace-$each_unit.service" ]; then printf '%s ' "$each_unit"; fi
  done
}

# can_read NEW OLD: whether what version NEW has written can be read by version OLD; says what cannot.
can_read() {
  for part in buffer log readers; do
    new=$(field "$prefix/versions/$1/RELEASE" "state_$part") old=$(field "$prefix/versions/$2/RELEASE" "state_$part")
    if [ "${new:-0}" -gt "${old:-0}" ]; then
      printf 'state of the %s is written as version %s by %s, and %s reads up to %s' "$part" "$new" "$1" "$2" "$old"
      return 1
    fi
  done
}

# --- services ----------------------------------------------------------------------------------------------------------------------------
# How records move now, role by role, for the comparison after the switch. $1: the program that looks.
remember_flow() {
  running_systemd || return 0
  for each in $(roles_on); do
    if systemctl is-active --quiet "headrace-$each.service"; then
      "$1" health --role "$each" --config "$etc/$each.yaml" --within 10s --save "$work/flow.$each" >/dev/null || :
    fi
  done
}
# restart_all: every service that is on and configured, also where one does not start; for undoing as well.
restart_all() {
  running_systemd || return 0
  systemctl daemon-reload
  not_started=''
  for each in $(roles_on); do
    if [ -e "$etc/$each.yaml" ]; then systemctl restart "headrace-$each.service" || not_started=yes; fi
  done
  [ -z "$not_started" ]
}
# flows VERSION PROGRAM: whether records move as they did before, by processes of that version.
flows() {
  running_systemd || return 0
  for each in $(roles_on); do
    [ -e "$etc/$each.yaml" ] || continue
    like=''
    if [ -e "$work/flow.$each" ]; then like="--like $work/flow.$each"; fi
    # shellcheck disable=SC2086 # Two words, or none.
    "$2" health --role "$each" --config "$etc/$each.yaml" --within "${within}s" --expect "$1" $like || return 1
  done
}

# --- uninstall ---------------------------------------------------------------------------------------------------------------------------
uninstall() {
  if [ -z "$dry" ] && [ -d "$prefix" ]; then lock; fi
  for each in edge core; do
    unit=headrace-$each.service
    if [ -e "$units/$unit" ] && running_systemd; then
      run systemctl disable --now "$unit"
    fi
    run rm -f "$units/multi-user.target.wants/$unit" "$units/$unit"
  done
  run rm -f "$link" "$sysusers" "$bash_completion" "$zsh_completion" "$man"
  remove_folder "$prefix"
  if [ -n "$purge" ]; then
    # What "systemctl edit" put beside the units is configuration, too.
    for each in "$etc" "$state" "$units/headrace-edge.service.d" "$units/headrace-core.service.d"; do remove_folder "$each"; done
    if [ -n "$dry" ]; then say 'would remove the user headrace and its group'; else remove_user; fi
  fi
  if running_systemd; then run systemctl daemon-reload; fi
  say "${dry:+would have }removed${purge:+, with configuration and data}"
}
# remove_folder FOLDER: with all that is in it; of a file system of its own what is in it, since it cannot be removed itself.
remove_folder() {
  if [ -L "$1" ]; then
    say "$1 is a link: what it leads to stays, $(readlink -f "$1")"
    run rm -f "$1"
  elif mountpoint -q "$1"; then
    say "$1 is a file system of its own: it stays, with nothing in it"
    run find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf '{}' +
  else
    run rm -rf "$1"
  fi
}
run() {
  if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi
}

finish() {
  rm -f "$prefix/.unfinished"
  finished=yes
}

# --- rollback ----------------------------------------------------------------------------------------------------------------------------
rollback() {
  from=$(current) to=$(previous)
  [ -n "$from" ] || fail 'nothing is installed here' 2
  if [ -z "$to" ] || [ ! -x "$(program "$to")" ]; then fail 'there is no version before this one' 2; fi
  why=$(can_read "$from" "$to") || fail "no way back: $why. What is stored is safe with the version that is installed" 1
  if [ -n "$dry" ]; then
    say "would go back from $from to $to"
    return 0
  fi
  begin_work
  look=$(program "$from")
  remember_flow "$look"
  begin_change
  undoing restart_all
  place_files "$prefix/versions/$to"
  point "$prefix/current" "versions/$to"
  point "$prefix/previous" "versions/$from"
  restart_all || fail "a service of $to does not start"
  flows "$(field "$prefix/versions/$to/RELEASE" version)" "$look" || fail "records do not move under $to as they did"
  finish
  say "back from $from to $to"
}

# --- install -----------------------------------------------------------------------------------------------------------------------------
# What a configuration is: edge, core, or pipelines/NAME. It is the name of its file under /etc/headrace too.
kind_of() {
  if grep -Eq '^pipeline[[:space:]]*:' "$1"; then
    pipeline_name=${1##*/}
    pipeline_name=${pipeline_name%.yml}
    printf 'pipelines/%s' "${pipeline_name%.yaml}"
  elif grep -Eq '^(gateway|uplink)[[:space:]]*:' "$1"; then
    printf edge
  elif grep -Eq '^(log|ingress)[[:space:]]*:' "$1"; then
    printf core
  else
    return 1
  fi
}
check_request() {
  case $role in
    edge | core) roles=$role ;;
    all) roles='edge core' ;;
    *)
      usage >&2
      fail '--role has to be edge, core or all' 2 ;;
  esac
  given=''
  while IFS= read -r file; do
    [ -n "$file" ] || continue
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then fail "cannot read $file" 2; fi
    of=$(kind_of "$file") || fail "$file is none of edge.yaml (gateway, uplink), core.yaml (log, ingress) and a pipeline" 2
    plain "$of" 'the name of a pipeline file'
    case " $roles " in *" $of "*) ;; *) case $of in edge | core) fail "$file is a configuration of the role $of, and --role is $role" 2 ;; esac ;; esac
    case "
$given" in *"
$of="*) fail "two files for /etc/headrace/$of.yaml" 2 ;; esac
    given="$given$of=$file
"
  done <<LIST
$configs
LIST
  if [ -n "$token" ]; then
    case " $roles " in *' edge '*) ;; *) fail '--enroll is for a gateway: --role edge or all' 2 ;; esac
    [ -z "$root" ] || fail '--enroll is for the gateway itself: the image of one has no identity' 2
    [ -e "$etc/edge.yaml" ] || case $given in edge=* | *"
edge="*) ;; *) fail '--enroll needs an edge.yaml: give one with --config' 2 ;; esac
  fi
}
free_mib() { df -Pk "$(nearest "$1")" | awk 'NR == 2 { print int($4 / 1024) }'; }
# What the program takes unpacked; a little is left for others.
NEEDED_MIB=250

check_bundle() {
  here=$(cd "$(dirname "$0")" && pwd)
  if [ -n "$offline" ]; then
    if [ ! -f "$offline" ] || [ ! -r "$offline" ]; then fail "cannot read $offline" 2; fi
    check_sum "$offline"
    case $offline in
      *.tar.xz) need xz ;;
      *.tar.gz) need gzip ;;
      *) fail "$offline is no bundle: its name ends in .tar.xz or .tar.gz" 2 ;;
    esac
    source=archive
  elif [ -f "$here/RELEASE" ] && [ -f "$here/SHA256SUMS" ]; then
    [ "$(field "$here/RELEASE" arch)" = "$arch" ] || fail "this bundle is for $(field "$here/RELEASE" arch), and this machine is $arch" 2
    source=folder
  elif [ -f "$here/scripts/bundle.ts" ]; then
    for tool in node npm; do command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing: a clone needs Node 20 or newer with npm to make a bundle of it; or give one with --offline" 2; done
    source=clone
  else
    fail 'there is nothing to install from: give a bundle with --offline' 2
  fi
  free=$(free_mib "$prefix")
  [ "$free" -ge "$NEEDED_MIB" ] || fail "$free MiB are free for $prefix, $NEEDED_MIB are needed" 2
}
check_sum() {
  expected=$sha256 sums=$(dirname "$1")/SHA256SUMS
  if [ -z "$expected" ] && [ -f "$sums" ]; then
    expected=$(awk -v name="$(basename "$1")" '$2 == name { print $1 }' "$sums")
    [ -n "$expected" ] || fail "$sums does not name $(basename "$1")" 2
  fi
  [ -n "$expected" ] || return 0
  found=$(sha256sum "$1" | cut -d ' ' -f 1)
  [ "$found" = "$expected" ] || fail "$1 is damaged, or is not what was published: its SHA-256 is $found, and should be $expected" 2
}

# Lays the bundle into $work/new, and looks whether it is whole and runs here. Nothing else has been touched until then.
unpack() {
  case $source in
    clone)
      say 'making a bundle of this clone (its log is above any error)'
      node "$here/scripts/run.mjs" "$here/scripts/bundle.ts" --quick --arch "$arch" --out "$work/bundle" >&2
      offline=$(find "$work/bundle" -name 'headrace-*.tar.gz' | head -n 1) ;;
    folder) mkdir "$work/new" && cp -R "$here/." "$work/new/" ;;
  esac
  if [ "$source" != folder ]; then
    mkdir "$work/new"
    case $offline in *.xz) through=xz ;; *) through=gzip ;; esac
    # The clock of a gateway may be wrong: what tar says of times is of interest only where it fails. Whether all came through is seen below.
    "$through" -dc "$offline" 2>"$work/unpack.log" | tar -xf - -C "$work/new" --strip-components=1 --no-same-owner 2>>"$work/unpack.log" || {
      cat "$work/unpack.log" >&2
      fail "$offline cannot be unpacked: it is damaged, or the disk is full"
    }
  fi
  # Whoever unpacked it may have a umask that lets nobody else read it; the services run as another user.
  chmod -R u=rwX,go=rX "$work/new"
  if [ ! -f "$work/new/SHA256SUMS" ] || [ ! -f "$work/new/RELEASE" ]; then fail "$offline is no bundle of Headrace" 2; fi
  (cd "$work/new" && sha256sum --check --quiet SHA256SUMS >&2) || fail 'the bundle is damaged: files differ from its SHA256SUMS' 2
  [ "$(field "$work/new/RELEASE" arch)" = "$arch" ] || fail "this bundle is for $(field "$work/new/RELEASE" arch), and this machine is $arch" 2
  said=$("$work/new/bin/headrace" --version 2>&1) || fail "it does not run on this system: $said" 2
  version=$(field "$work/new/RELEASE" version)
  build=$(field "$work/new/RELEASE" build)
  if [ -z "$version" ] || [ -z "$build" ]; then fail "$work/new/RELEASE does not say which version it is" 2; fi
  id=$version+$build
  plain "$id" 'the version'
  check_config
}

# Looks whether the configuration that will hold is right, in a copy of /etc/headrace as it will be.
check_config() {
  trial=$work/etc
  mkdir -p "$trial/pipelines"
  # Through links, which would lead elsewhere from here; without those that lead nowhere, and without credentials in a dry run that is not root's.
  if [ -d "$etc" ] && ! cp -RL "$etc/." "$trial/" 2>"$work/uncopied" && [ -z "$dry" ] && [ -z "$(find -L "$etc" -type l)" ]; then
    cat "$work/uncopied" >&2
    fail "$etc cannot be copied to be looked at"
  fi
  while IFS= read -r line; do
    if [ -n "$line" ] && [ ! -e "$trial/${line%%=*}.yaml" ]; then cp "${line#*=}" "$trial/${line%%=*}.yaml"; fi
  done <<LIST
$given
LIST
  for each in $roles; do
    [ -e "$trial/$each.yaml" ] || continue
    sed -i "s|/etc/headrace/|$trial/|g" "$trial/$each.yaml"
    "$work/new/bin/headrace" validate "$trial/$each.yaml" >"$work/validate.log" 2>&1 || {
      sed "s|$trial/|/etc/headrace/|g" "$work/validate.log" >&2
      fail "the configuration is wrong: nothing was changed" 2
    }
  done
}

# place_files FOLDER: what lies outside of /opt, of the version in that folder.
place_files() {
  place "$1/share/man/man1/headrace.1" "$man" 644
  place "$1/share/bash-completion/completions/headrace" "$bash_completion" 644
  place "$1/share/zsh/site-functions/_headrace" "$zsh_completion" 644
  [ -n "$service" ] || return 0
  for each in edge core; do
    case " ${roles:-} $(roles_with_unit) " in *" $each "*) place "$1/systemd/headrace-$each.service" "$units/headrace-$each.service" 644 ;; esac
  done
}
add_user() {
  grep -q '^headrace:' "$root/etc/passwd" && return 0
  undoing remove_user
  if command -v systemd-sysusers >/dev/null 2>&1; then
    systemd-sysusers ${root:+--root="$root"} "$sysusers" >&2
  elif [ -z "$root" ] && command -v useradd >/dev/null 2>&1; then
    with_group=--user-group
    if grep -q '^headrace:' "$root/etc/group"; then with_group='--gid headrace'; fi
    # shellcheck disable=SC2086 # One word, or two.
    useradd --system --home-dir /var/lib/headrace --shell /usr/sbin/nologin --groups dialout $with_group headrace
  else
    fail 'neither systemd-sysusers nor useradd is here to make the user headrace'
  fi
}
remove_user() {
  grep -q '^headrace:' "$root/etc/passwd" || return 0
  if [ -n "$root" ]; then userdel --prefix "$root" headrace; else userdel headrace; fi
  # With it goes its group, unless the system is set otherwise.
  grep -q '^headrace:' "$root/etc/group" || return 0
  if [ -n "$root" ]; then groupdel --prefix "$root" headrace; else groupdel headrace; fi
}
enable_service() {
  wanted=$units/multi-user.target.wants/headrace-$1.service
  [ ! -L "$wanted" ] || return 0
  changed=yes
  dir "$(dirname "$wanted")"
  undoing "rm -f $(q "$wanted")"
  ln -s "/etc/systemd/system/headrace-$1.service" "$wanted"
}
stop_new() {
  running_systemd || return 0
  for each in $roles; do
    case " $before_roles " in *" $each "*) ;; *) systemctl stop "headrace-$each.service" 2>/dev/null || : ;; esac
  done
}

install() {
  before=$(current) before_roles=$(roles_on)
  if [ -n "$dry" ]; then begin_trial; else begin_work; fi
  unpack
  if [ -n "$before" ] && [ "$before" != "$id" ] && [ -z "$one_way" ]; then
    new_state=$(sed -n '/^state_/p' "$work/new/RELEASE")
    [ -r "$prefix/versions/$before/RELEASE" ] || fail "$prefix/versions/$before, which is installed, is not whole: whether $id reads what it wrote cannot be told. With --one-way it goes on" 2
    old_state=$(sed -n '/^state_/p' "$prefix/versions/$before/RELEASE")
    [ "$new_state" = "$old_state" ] ||
      fail "$id writes its state otherwise than $before ($(printf %s "$new_state" | tr '\n' ' ')against $(printf %s "$old_state" | tr '\n' ' ')): once it has run there is no way back. With --one-way it goes on" 2
  fi

  if [ -n "$dry" ]; then
    if [ "$before" = "$id" ]; then
      say "headrace $id is installed already; would put right what differs, and start the services anew only where something does"
    else
      say "would install headrace $id as $role in $home, beside ${before:-no other}"
    fi
    for each in $roles; do
      [ -n "$service" ] || break
      if ! running_systemd; then
        say "would enable headrace-$each.service, and start nothing: systemd does not run here"
      elif [ ! -e "$work/etc/$each.yaml" ]; then
        say "would not start headrace-$each.service: it has no configuration yet"
      elif [ "$before" != "$id" ]; then
        say "would start headrace-$each.service"
      fi
    done
    return 0
  fi

  begin_change
  dir "$prefix/versions"
  if [ ! -d "$prefix/versions/$id" ]; then
    undoing "rm -rf $(q "$prefix/versions/$id")"
    mv "$work/new" "$prefix/versions/$id"
    changed=yes
  elif ! (cd "$prefix/versions/$id" && sha256sum --check --quiet SHA256SUMS >&2); then
    undoing "mv $(q "$work/damaged") $(q "$prefix/versions/$id")"
    undoing "rm -rf $(q "$prefix/versions/$id")"
    mv "$prefix/versions/$id" "$work/damaged"
    mv "$work/new" "$prefix/versions/$id"
    changed=yes
  fi
  new=$prefix/versions/$id
  if [ -z "$root" ] && command -v restorecon >/dev/null 2>&1; then restorecon -R "$new" || :; fi
  dir "$etc"
  dir "$etc/pipelines"
  dir "$etc/credentials"
  chmod 700 "$etc/credentials"
  while IFS= read -r line; do
    if [ -n "$line" ] && [ ! -e "$etc/${line%%=*}.yaml" ]; then place "${line#*=}" "$etc/${line%%=*}.yaml" 644; fi
  done <<LIST
$given
LIST
  if [ -n "$service" ]; then
    place "$new/systemd/headrace.sysusers" "$sysusers" 644
    add_user
  fi
  dir "$state"
  if [ -n "$service" ] && [ -z "$root" ]; then chown headrace:headrace "$state"; fi

  remember_flow "$new/bin/headrace"
  if [ -n "$service" ]; then
    undoing restart_all
    undoing stop_new
  fi
  place_files "$new"
  if [ -n "$before" ] && [ "$before" != "$id" ]; then point "$prefix/previous" "versions/$before"; fi
  point "$prefix/current" "versions/$id"
  point "$link" "$home/current/bin/headrace"
  if [ -n "$token" ]; then enroll; fi
  if [ -n "$service" ]; then
    for each in $roles; do enable_service "$each"; done
    if [ -n "$changed" ]; then
      restart_all || fail 'a service does not start: see journalctl -u headrace-edge -u headrace-core'
      flows "$version" "$new/bin/headrace" || fail "records do not move under $id as they did before"
    fi
  fi
  finish
  forget_old
  if [ -z "$changed" ]; then
    say "headrace $id is installed as $role already"
  else
    say "installed headrace $id as $role in $home${before:+; before it was $before}"
  fi
  for each in $roles; do
    [ -e "$etc/$each.yaml" ] || say "next: write /etc/headrace/$each.yaml, check it with \"headrace validate\", and start it: systemctl start headrace-$each"
  done
  [ -z "$service" ] || [ -n "$root" ] || running_systemd || say 'systemd does not run here: start "headrace edge" or "headrace core" by other means'
}
enroll() {
  # By the environment, since everybody may see what a process is called with.
  set -- "$prefix/versions/$id/bin/headrace" enroll --config "$etc/edge.yaml"
  if [ -n "$service" ] && [ -z "$root" ] && command -v runuser >/dev/null 2>&1; then set -- runuser -u headrace -- "$@"; fi
  HEADRACE_ENROLL_TOKEN=$token "$@" || fail 'the gateway could not be enrolled'
}
# Of the versions that are neither this one nor the one before.
forget_old() {
  for folder in "$prefix"/versions/*; do
    case $(basename "$folder") in "$(current)" | "$(previous)") ;; *) rm -rf "$folder" || say "$folder could not be removed; it is not needed any more" ;; esac
  done
}

if [ -n "$root" ]; then
  [ -d "$root" ] || fail "there is no folder $root" 2
  # Tools take it from where they stand.
  root=$(CDPATH='' cd -- "$root" && pwd -P)
fi
plain "$root" '--root'
set_paths
case $within in *[!0-9]*) fail "--health-within has to be a number of seconds, not \"$within\"" 2 ;; esac
[ -z "$purge" ] || [ "$action" = uninstall ] || fail '--purge goes with --uninstall' 2
# Both roles are one program: whoever names one of them expects that the other stays.
[ -z "$role" ] || [ "$action" = install ] || fail "--role does not go with --$action: all of Headrace is meant. A role alone is stopped by \"systemctl disable --now headrace-ROLE\"" 2
[ -z "$sha256" ] || [ -n "$offline" ] || [ "$action" != install ] || fail '--sha256 says what the bundle of --offline has to be, and none is given' 2
check_system
if [ -z "$dry" ] || [ "$(id -u)" = 0 ]; then check_rights; else say 'not run as root: whether everything can be written is not looked at'; fi
case $action in
  uninstall) uninstall ;;
  rollback) rollback ;;
  install)
    check_request
    check_bundle
    install ;;
esac
