# Sourced by the scripts of the Ceph lab: what a lab in the folder `dir` is, and how one of its hosts is entered.
# shellcheck shell=bash disable=SC2034,SC2154 # `dir` is set by whoever sources this.
#
#   DIR/lab         process id and start time of the lab's first process, as the machine sees it; the whole lab ends with that process
#   DIR/hosts/N     the same of the process that keeps host N's namespaces; 0 is the client
#   DIR/etc         /etc/ceph of all hosts: ceph.conf and the keyring of client.admin
#   DIR/log         what start, the daemons and the crash reports said
#   DIR/ready       the seconds that it took until all was clean; there when start has ended well
hosts=(client pve1-node1 pve1-node2 pve1-node3)

# `host_of OSD`: the number of its host. The first three are on one each, and so are the next.
host_of() { echo $(($1 % 3 + 1)); }

# `process FILE`: the process that wrote itself down there, if it still lives. Its start time tells it from a later one with the same number.
process() {
  local pid began now
  read -r pid began 2>/dev/null <"$1" || return 1
  now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20) && [ "$now" = "$began" ] && echo "$pid"
}

# `write_down FILE`: the calling script writes itself down. Where /proc is the machine's, so is the number.
write_down() {
  local stat
  read -r stat </proc/self/stat
  echo "${stat%% *} $(echo "${stat##*) }" | cut -d ' ' -f 20)" >"$1.new"
  mv "$1.new" "$1"
}

# `enter N`: sets `into` to what runs a command on that host. It dies with nsenter, which waits outside for it, and which is what a caller kills.
enter() {
  local pid
  if ! process "$dir/lab" >/dev/null || ! pid=$(process "$dir/hosts/$1"); then
    echo "ceph lab: no host $1 in $dir" >&2
    return 125
  fi
  into=(nsenter --target "$pid" --mount --uts --net --pid --wdns="$PWD" -- setpriv --pdeathsig KILL --)
}
on() { enter "$1" && shift && "${into[@]}" "$@"; }

# `ceph WORDS...`: a command to the cluster, from the client. Without a limit it would wait for five minutes for monitors that do not answer.
ceph() { on 0 ceph --connect-timeout 10 "$@"; }
