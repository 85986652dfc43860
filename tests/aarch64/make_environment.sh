#!/usr/bin/env bash
# Makes a virtual environment whose Python is Debian's for 64-bit ARM, run by
# QEMU's user-mode emulation. No binfmt, no chroot and no root's rights needed.
#
#   make_environment.sh bookworm|trixie FOLDER
#
# FOLDER/root gets the distribution's files, FOLDER/bin/python starts it. The
# .debs come through this machine's apt (its proxies, its checks of signatures)
# from DEBIAN_MIRROR.
set -euo pipefail

release=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
root=$folder/root
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

case $release in
    bookworm) python=python3.11 ;;
    trixie) python=python3.13 ;;
    *) echo "error: no Debian release $release: bookworm or trixie" >&2; exit 1 ;;
esac

need() {  # need WHAT PACKAGE: says what is missing, and which package has it
    echo "error: $1 is missing; on Debian or Ubuntu: apt-get install $2" >&2
    exit 1
}
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) ||
    need qemu-aarch64 qemu-user-static
[[ $(command -v apt-get) && $(command -v dpkg-deb) ]] ||
    need "apt-get or dpkg-deb" "apt dpkg"
[[ -e $keyring ]] || need "$keyring" debian-archive-keyring

arm64_apt() {  # apt-get, for $root in place of this machine
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir="$root" -o Dir::State::status="$root/var/lib/dpkg/status" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

rm -rf "$folder"
mkdir -p "$root"/etc/apt/{apt.conf.d,preferences.d} "$root/var/lib/dpkg" \
    "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
touch "$root/var/lib/dpkg/status"  # nothing is installed yet
echo "deb [signed-by=$keyring] $mirror $release main" \
    >"$root/etc/apt/sources.list"
arm64_apt update
# libstdc++6 is for wheels; the rest of what they need is python's.
arm64_apt install --yes --no-install-recommends --download-only \
    $python python3-pip-whl libstdc++6
for deb in "$root"/var/cache/apt/archives/*.deb; do
    dpkg-deb -x "$deb" "$root"
done
rm -rf "$root/var"
# What base-files links, in releases whose packages have no files in /lib.
[[ -e $root/lib ]] || ln -s usr/lib "$root/lib"

# To Python this is a virtual environment. Where sys.executable is the script,
# tests that start another Python start an emulated one.
mkdir -p "$folder/bin" "$folder/lib/$python/site-packages"
cat >"$folder/pyvenv.cfg" <<END
home = $root/usr/bin
include-system-site-packages = false
END
cat >"$folder/bin/python" <<END
#!/bin/sh
exec $qemu -cpu "\${QEMU_CPU:-cortex-a72}" -L "$root" -0 "\$0" \\
    "$root/usr/bin/$python" "\$@"
END
chmod +x "$folder/bin/python"
# Else every emulated process would compile the standard library anew.
"$folder/bin/python" -m compileall -q "$root/usr/lib/$python"
pip=$(echo "$root"/usr/share/python-wheels/pip-*.whl)
"$folder/bin/python" "$pip/pip" install --quiet --no-index "$pip"
