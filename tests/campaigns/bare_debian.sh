#!/usr/bin/env bash
# Proves the README's promise on a bare system: a minimal Debian 12 with ca-certificates, python3-venv, python3-dev, g++ and
# make, a fresh clone, then `make demo` and `make test`, with the seconds of each. Needs root, git and debootstrap.
#   MIRROR   Debian archive to install from   (default: the one this machine's apt uses)
#   SUITE    Debian release                   (default: bookworm, which is Debian 12)
#   TARGETS  what to make                     (default: demo test)
#   KEEP     keep the folder afterwards if not empty
set -euo pipefail

repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
suite=${SUITE:-bookworm}
packages=ca-certificates,python3-venv,python3-dev,g++,make

[[ $EUID -eq 0 ]] || { echo "chroot needs root" >&2; exit 1; }
command -v debootstrap > /dev/null || { echo "install debootstrap first: apt-get install debootstrap" >&2; exit 1; }

archive_of_apt() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }'
}
mirror=${MIRROR:-$(archive_of_apt)}
[[ -n $mirror ]] || { echo "apt here has no archive of $suite: set MIRROR" >&2; exit 1; }

folder=$(mktemp -d -t pyblo-debian-XXXXXX)
root=$folder/root
clean() {
  if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
  [[ -n ${KEEP:-} ]] || rm -rf --one-file-system "$folder"
}
trap clean EXIT

seconds() {  # label, command…: runs it, then prints how long it took
  local label=$1 start=$SECONDS
  shift
  "$@"
  echo "== $label: $((SECONDS - start)) s"
}

# What this machine's pip and network need, wherever they are set: environment, configuration, certificates, names.
variables=()
while IFS= read -r -d '' variable; do
  case ${variable%%=*} in
    PIP_* | [Hh][Tt][Tt][Pp]_[Pp][Rr][Oo][Xx][Yy] | [Hh][Tt][Tt][Pp][Ss]_[Pp][Rr][Oo][Xx][Yy] | [Nn][Oo]_[Pp][Rr][Oo][Xx][Yy] | \
      [Aa][Ll][Ll]_[Pp][Rr][Oo][Xx][Yy] | SSL_CERT_FILE | REQUESTS_CA_BUNDLE) variables+=("$variable") ;;
  esac
done < /proc/self/environ
carry() {  # files that exist, to the same place in the new root
  local file
  for file in "$@"; do
    if [[ -f $file ]]; then install -D -m 644 "$file" "$root$file"; fi
  done
}

inside() {
  chroot "$root" env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin LANG=C.UTF-8 "${variables[@]}" "$@"
}

seconds "debootstrap" debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" > "$folder/debootstrap.log" ||
  { tail -n 20 "$folder/debootstrap.log" >&2; exit 1; }
tail -n 1 "$folder/debootstrap.log"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
carry /etc/pip.conf /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt \
  "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}"
git clone --quiet --no-hardlinks "$repository" "$root/root/pyblo"
for target in ${TARGETS:-demo test}; do
  seconds "make $target" inside make --no-print-directory -C /root/pyblo "$target"
done
