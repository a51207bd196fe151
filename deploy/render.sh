#!/usr/bin/env bash
# Renders deploy/ into deploy/install.yaml, for those who install from one file. A test keeps the two equal.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
kubectl=$(../tests/support/build-control-plane.sh --print-bin)/kubectl
{
  echo "# Rendered from deploy/ by deploy/render.sh. It replaces the CRD clientintents.k8s.otterize.com: read docs/guide/install.md"
  echo "# first where Otterize is, or was, installed."
  "$kubectl" kustomize .
} >install.yaml.new
mv install.yaml.new install.yaml
