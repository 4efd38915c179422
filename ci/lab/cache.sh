# Sourced by the lab's scripts: where things lie. Everything is below one folder outside the tree, and may be deleted at any time.
# shellcheck shell=bash disable=SC2034,SC2154 # `here` is set by whoever sources this, and the names are theirs to use.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/assay/lab"
packages="$cache/packages-$(sha256sum "$here/packages" | cut -c1-12)"
root="$packages/root"
