# Faults of the members of a real bond, made and healed by an agent in the node, whose protocol is spoken here by hand: `lacp-slow` takes a member out of the aggregator
# that carries while its link stays, and it comes back; `switch-loss` of one member is armed, of both it is refused. Ends with 0 when all of it was seen.
bond=/proc/net/bonding/bond0
folder=$(mktemp -d)
fail() { echo "bond-faults: $*"; cat "$folder/out" "$folder/err" $bond; exit 1; }
# How often a command is tried, a second apart.
within() { tries=$1; shift; until eval "$*"; do tries=$((tries - 1)); [ $tries -gt 0 ] || return 1; sleep 1; done; }
of() { cat "/sys/class/net/$1/bonding_slave/$2"; }
shown() { echo "$1: eth0 $(of eth0 mii_status), aggregator $(of eth0 ad_aggregator_id), partner $(of eth0 ad_partner_oper_port_state); eth1 aggregator $(of eth1 ad_aggregator_id), partner $(of eth1 ad_partner_oper_port_state)"; }
is_whole() { [ "$(grep -c 'port state: 63' $bond)" = 4 ]; }
say() { echo "$1" >&3; }
start() { say "{\"kind\":\"start\",\"id\":$1,\"task\":\"$2\",\"spec\":$3}"; }
result() { within 60 "grep -q '\"result\",\"id\":$1,' $folder/out" || fail "task $1 has no result"; grep "\"result\",\"id\":$1," "$folder/out"; }
armed() { result "$1" | sed 's/.*"ok"://; s/}$//'; }

# An agent tells who it is also to whoever it does not know; with the same words it is answered.
hello=$(echo | assay agent --stdio 2>/dev/null | head -n 1 | sed 's/}$/,"silence_ms":600000}/')
mkfifo "$folder/in"
assay agent --stdio <"$folder/in" >"$folder/out" 2>"$folder/err" &
exec 3>"$folder/in"
say "$hello"

within 60 is_whole || fail "the bond is not whole"
carries=$(cat /sys/class/net/bond0/bonding/ad_aggregator)
start 1 fault-arm '{"id":"slow","fault":"lacp-slow","on":{"interface":"eth0"},"within_ms":120000}'
start 2 fault-inject "{\"armed\":$(armed 1)}"
within 30 '[ "$(of eth0 ad_partner_oper_port_state)" != 63 ]' || fail "the partner is believed without a LACPDU"
shown "out"
within 30 '[ "$(of eth0 ad_aggregator_id)" != "$carries" ]' || fail "the member keeps its aggregator without a LACPDU"
shown "alone"
[ "$(of eth0 mii_status)" = up ] && [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] || fail "its link went down"
[ "$(of eth1 ad_partner_oper_port_state) $(of eth1 ad_aggregator_id)" = "63 $carries" ] || fail "the other member was touched"
say '{"kind":"cancel","id":2}'
result 2 | grep -q '"by":"request"' || fail "it was not healed when told"
within 100 is_whole || fail "the member does not come back"
shown "back"

start 3 fault-arm '{"id":"both","fault":"switch-loss","on":{"interfaces":["eth0","eth1"]},"within_ms":60000}'
result 3 | grep -q 'no other member of bond0 works' || fail "both members may be lost"
start 4 fault-arm '{"id":"one","fault":"switch-loss","on":{"interfaces":["eth0"]},"within_ms":60000}'
start 5 fault-inject "{\"armed\":$(armed 4)}"
within 30 '[ "$(of eth0 mii_status)" = down ]' || fail "the member is not down"
say '{"kind":"cancel","id":5}'
result 5 | grep -q '"by":"request"' || fail "it was not healed when told"
within 100 is_whole || fail "the member does not come back"
shown "back"
say '{"kind":"bye"}'
exec 3>&-
wait
[ -z "$(ls /run/assay/faults)" ] || fail "a record is left"
rm -r "$folder"
