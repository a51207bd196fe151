#!/usr/bin/env bash
# Ends what up.sh started below DIR, by the ids it wrote, with the pods' containers, mounts and networks, and forgets the
# cluster's state but its logs. Safe to run twice, and on what up.sh left half done.
#
#   down.sh DIR
set -uo pipefail
dir=$(readlink -f "$1")
cd "$dir" 2>/dev/null || exit 0
exec 2>>logs/down.log

end() { # NAME: SIGTERM, and SIGKILL for what is still there after 20 s
  local pid
  pid=$(cat "$1.pid") || return 0
  kill "$pid"
  for _ in $(seq 100); do kill -0 "$pid" || break; sleep 0.2; done
  kill -9 "$pid"
  rm -f "$1.pid"
}
socket=/run/grapevine-containerd/containerd.sock
containers() { timeout 20 ctr -a "$socket" -n k8s.io "$@"; }

for name in kubelet proxy scheduler controller-manager; do end $name; done
networks=()
if [ -S "$socket" ]; then
  for id in $(containers tasks ls -q); do containers tasks kill -s SIGKILL "$id"; done
  for id in $(containers containers ls -q); do
    while read -r network; do networks+=("$network"); done < <(containers containers info "$id" | grep -o 'netns/cni-[0-9a-f-]*')
    for _ in $(seq 25); do containers tasks rm -f "$id"; containers tasks ls -q | grep -qx "$id" || break; sleep 0.2; done
    containers containers rm "$id"
  done >/dev/null
fi
for name in containerd apiserver upstream etcd; do end $name; done
for shim in $(pgrep -fx "[^ ]*containerd-shim-runc-v2 -namespace k8s.io -id [0-9a-f]+ -address $socket"); do kill -9 "$shim"; done
for network in "${networks[@]}"; do ip netns del "${network#netns/}"; done
# containerd unmounts the network of a pod that ends, and cannot always remove the name it was mounted on
for name in /run/netns/cni-*; do grep -qF "/netns/${name##*/} " /proc/mounts || rm -f "$name"; done
awk -v dir="$dir/" '$2 ~ "^/run/grapevine-containerd/" || index($2, dir) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l

# Rules: kube-proxy's tables, kubelet's chains, and those of our network's masquerading
for family in ip ip6; do nft delete table $family kube-proxy; done
for tables in iptables ip6tables; do
  rules=$($tables-save) || continue
  chains=$(grep -F 'name: \"grapevine\"' <<<"$rules" | grep -o 'CNI-[0-9a-f]*' | sort -u)
  grep -vF "${chains:-CNI-none}" <<<"$rules" | grep -v KUBE- | $tables-restore
done
for link in grapevine0 grapevine-cni; do ip link del "$link"; done
for path in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
  [ -e "before-${path##*/}" ] && cat "before-${path##*/}" >"/proc/sys/$path"
done
find . -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf {} +
rm -rf /run/grapevine-containerd
find /sys/fs/cgroup -depth -type d -path "*/kubepods*" -exec rmdir {} +
exit 0
