#!/usr/bin/env bash
# Says whether this machine can be a Kubernetes node, before anything is built for it: exit code 0 where it can, 3 with the
# reason where it cannot.
#
#   check.sh             look
#   check.sh --install   as root, first install what is missing of the packages (Debian, Ubuntu)
set -euo pipefail

no() { echo "cluster: this machine cannot be a node: $*"; exit 3; }

[ "$(uname -s)" = Linux ] || no "it is no Linux"
[ "$(id -u)" = 0 ] || no "a node needs root"

# What no package brings: control groups to put pods in, devices, mounts, bridges, and room for ports and addresses
for controller in cpu memory pids; do
  grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers 2>/dev/null || [ -d "/sys/fs/cgroup/$controller" ] || no "no cgroup controller $controller"
done
cgroup=/sys/fs/cgroup
[ -e "$cgroup/cgroup.controllers" ] || cgroup=$cgroup/memory
mkdir "$cgroup/grapevine-check" 2>/dev/null || no "$cgroup is read-only"
rmdir "$cgroup/grapevine-check"
[ -r /dev/kmsg ] || no "kubelet needs /dev/kmsg"
scratch=$(mktemp -d)
trap 'umount "$scratch/merged" 2>/dev/null || true; rm -rf "$scratch"' EXIT
mkdir "$scratch"/{lower,upper,work,merged}
mount -t overlay overlay -o "lowerdir=$scratch/lower,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/merged" 2>/dev/null || no "overlayfs cannot be mounted on $scratch"
[ -z "$(pgrep -x kubelet || true)" ] || no "a kubelet runs here already"

commands=(containerd runc iptables nft conntrack ip openssl)
packages=(containerd runc containernetworking-plugins iptables nftables conntrack iproute2 openssl)
if ! docker info >/dev/null 2>&1; then
  commands+=(buildah debootstrap)
  packages+=(buildah debootstrap)
fi
missing() {
  for command in "${commands[@]}"; do command -v "$command" >/dev/null || echo "$command"; done
  [ -x /usr/lib/cni/bridge ] || echo /usr/lib/cni/bridge
}
if [ -n "$(missing)" ] && [ "${1:-}" = --install ] && command -v apt-get >/dev/null; then
  echo "cluster: installing ${packages[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 || no "apt-get could not install ${packages[*]}"
fi
[ -z "$(missing)" ] || no "missing: $(missing | tr '\n' ' ')(packages ${packages[*]})"

ip link add grapevine-check type bridge 2>/dev/null || no "it cannot make a network bridge"
ip link del grapevine-check
for port in 2379 2380 5354 6443; do
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || no "something listens on port $port"
done
