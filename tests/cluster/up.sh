#!/usr/bin/env bash
# Brings up a real one-node Kubernetes below a directory: etcd, kube-apiserver, controller-manager, scheduler, containerd,
# kubelet, kube-proxy (nftables), CoreDNS, and an upstream resolver that stands for the Internet. Ready in about ten seconds.
# No packet leaves the machine: the node's address and those of "external" names are on a bridge without ports.
#
#   up.sh DIR [ARCHIVE…]     docker archives to import besides those of build.sh
#
# Needs root, what build.sh made, and the packages containerd runc containernetworking-plugins iptables nftables conntrack
# iproute2 openssl. down.sh ends it. Every id of what was started is in DIR/*.pid, every log in DIR/logs.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
mkdir -p "$1"
dir=$(readlink -f "$1")
shift
archives=()
for archive in "$@"; do archives+=("$(readlink -f "$archive")"); done
home=$("$here/build.sh" --print-home)
PATH=$home/bin:$("$here/../support/build-control-plane.sh" --print-bin):$("$here/../support/build-coredns.sh" --print-bin):$PATH
mkdir -p "$dir"/{pki,logs,cni}
cd "$dir"

say() { echo "[$(date +%T)] $*"; }
die() { echo "cluster: $*" >&2; exit 2; }

start() { # NAME COMMAND…: in a session of its own, so that a signal to the test's terminal does not end it before down.sh
  local name=$1
  shift
  setsid "$@" >"logs/$name.log" 2>&1 </dev/null &
  echo $! >"$name.pid"
}
wait_for() { # SECONDS NAME COMMAND…
  local seconds=$1 name=$2
  shift 2
  for _ in $(seq $((seconds * 5))); do
    "$@" >/dev/null 2>&1 && { say "$name ready"; return; }
    sleep 0.2
  done
  for log in logs/*.log; do echo "--- $log" >&2; tail -5 "$log" >&2; done
  die "$name is not ready after $seconds s"
}

# --- Certificates and kubeconfigs, new for every cluster
openssl req -x509 -newkey rsa:2048 -nodes -keyout pki/ca.key -out pki/ca.crt -days 2 -subj /CN=kube-ca 2>/dev/null
openssl genrsa -out pki/sa.key 2048 2>/dev/null
openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>/dev/null
certificate() { # NAME SUBJECT [EXTENSION]
  openssl req -newkey rsa:2048 -nodes -keyout "pki/$1.key" -out "pki/$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 2 -out "pki/$1.crt" \
    -extfile <(printf '%s' "${3:-keyUsage=digitalSignature}") 2>/dev/null
}
certificate apiserver /CN=kube-apiserver "subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:10.88.0.1"
certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
kubeconfig() { # NAME SUBJECT
  certificate "$1" "$2"
  local kubectl=(kubectl --kubeconfig "$1.kubeconfig" config)
  "${kubectl[@]}" set-cluster node --server=https://127.0.0.1:6443 --certificate-authority=pki/ca.crt --embed-certs
  "${kubectl[@]}" set-credentials user --client-certificate="pki/$1.crt" --client-key="pki/$1.key" --embed-certs
  "${kubectl[@]}" set-context node --cluster=node --user=user
  "${kubectl[@]}" use-context node
} >/dev/null
kubeconfig admin /O=system:masters/CN=admin
kubeconfig controller-manager /CN=system:kube-controller-manager
kubeconfig scheduler /CN=system:kube-scheduler
kubeconfig proxy /CN=system:kube-proxy
kubeconfig kubelet /O=system:nodes/CN=system:node:node1
export KUBECONFIG=$dir/admin.kubeconfig

# --- Control plane. start-apiserver.sh is a file of its own for a test that takes the API server away and brings it back.
start etcd etcd --data-dir etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --log-level warn --unsafe-no-fsync
cat >start-apiserver.sh <<E
#!/usr/bin/env bash
cd '$dir'
exec '$(command -v kube-apiserver)' --etcd-servers=http://127.0.0.1:2379 --service-cluster-ip-range=10.96.0.0/16 \\
  --secure-port=6443 --bind-address=0.0.0.0 --advertise-address=10.88.0.1 --authorization-mode=Node,RBAC \\
  --enable-admission-plugins=NodeRestriction --allow-privileged=true --client-ca-file=pki/ca.crt \\
  --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key \\
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \\
  --service-account-key-file=pki/sa.pub --service-account-signing-key-file=pki/sa.key \\
  --kubelet-client-certificate=pki/kubelet-client.crt --kubelet-client-key=pki/kubelet-client.key \\
  --kubelet-preferred-address-types=InternalIP
E
chmod +x start-apiserver.sh

# --- Network: the bridge is there before the API server advertises its address
if ! ip link show grapevine0 >/dev/null 2>&1; then
  ip link add grapevine0 type bridge
  for address in 1 110 111 112 113 177; do ip addr add "10.88.0.$address/32" dev grapevine0; done
  ip link set grapevine0 up
fi
for path in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
  [ -e "/proc/sys/$path" ] || continue
  cat "/proc/sys/$path" >"before-${path##*/}"
  echo 1 >"/proc/sys/$path"
done
cat >cni/10-bridge.conflist <<E
{"cniVersion": "0.4.0", "name": "grapevine", "plugins": [
  {"type": "bridge", "bridge": "grapevine-cni", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
E

start apiserver ./start-apiserver.sh
wait_for 60 apiserver kubectl get --raw /readyz
start controller-manager kube-controller-manager --kubeconfig=controller-manager.kubeconfig --leader-elect=false \
  --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt --use-service-account-credentials \
  --cluster-cidr=10.244.0.0/16 --allocate-node-cidrs \
  --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key
start scheduler kube-scheduler --kubeconfig=scheduler.kubeconfig --leader-elect=false

# --- Node
socket=/run/grapevine-containerd/containerd.sock
cat >containerd.toml <<E
version = 2
root = "$dir/containerd"
state = "/run/grapevine-containerd/state"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true # works without CAP_SYS_RESOURCE too
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
E
mkdir -p /run/grapevine-containerd
start containerd containerd -c containerd.toml
wait_for 30 containerd ctr -a "$socket" version
for archive in "$home"/images/*.tar "${archives[@]}"; do
  ctr -a "$socket" -n k8s.io images import "$archive" >/dev/null
done
say images imported
echo "nameserver 10.88.0.53" >resolv.conf # for pods with dnsPolicy Default: CoreDNS, which asks no one by it
cat >kubelet.yaml <<E
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $dir/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupsPerQOS: true
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://$socket
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: $dir/resolv.conf
enforceNodeAllocatable: []
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
E
start kubelet kubelet --config=kubelet.yaml --kubeconfig=kubelet.kubeconfig --hostname-override=node1 --node-ip=10.88.0.1 --root-dir="$dir/kubelet"
start proxy kube-proxy --kubeconfig=proxy.kubeconfig --hostname-override=node1 --proxy-mode=nftables --cluster-cidr=10.244.0.0/16 --conntrack-max-per-core=0
kubectl create clusterrolebinding kube-proxy --clusterrole=system:node-proxier --user=system:kube-proxy >/dev/null
zones=$here start upstream coredns -conf "$here/upstream.Corefile"
wait_for 60 node bash -c 'kubectl get node node1 | grep -q " Ready"'
kubectl apply -f "$here/coredns.yaml" >/dev/null
wait_for 60 CoreDNS kubectl -n kube-system wait --for=condition=Available --timeout=1s deployment/coredns
