#!/usr/bin/env bash
# Builds the images with Docker, or with Buildah where there is no Docker engine (Debian: apt-get install buildah).
#
#   TORCH_INDEX_URL   index from which PyTorch comes; its own index of CPU builds unless given
#   BUILD_OPTIONS     further options of the build, such as volumes with a pip.conf
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for target in api worker bundle; do
    arguments=(--target "$target" --file deploy/Dockerfile --tag "mtl-grouping-$target:latest")
    if [ -n "${TORCH_INDEX_URL:-}" ]; then arguments+=(--build-arg "TORCH_INDEX_URL=$TORCH_INDEX_URL"); fi
    read -ra options <<< "${BUILD_OPTIONS:-}"
    if docker info >/dev/null 2>&1; then
        docker build "${arguments[@]}" "${options[@]}" .
    else
        # No kernel features beyond chroot are asked for, and the format keeps health checks.
        export STORAGE_DRIVER="${STORAGE_DRIVER:-vfs}" BUILDAH_FORMAT=docker
        buildah bud --isolation chroot --network host "${arguments[@]}" "${options[@]}" .
    fi
done
