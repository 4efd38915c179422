# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_assay_global_optspecs
    string join \n site= root= snapshot= since= bmc= runs= format= probe-deadline= listen= v/verbose h/help V/version
end

function __fish_assay_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_assay_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_assay_using_subcommand
    set -l cmd (__fish_assay_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c assay -n "__fish_assay_needs_command" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_needs_command" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_needs_command" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_needs_command" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_needs_command" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_needs_command" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_needs_command" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_needs_command" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_needs_command" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_needs_command" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_needs_command" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_needs_command" -f -a "accept" -d 'Probe, check, run the phase\'s scenarios, judge the gate and write the report'
complete -c assay -n "__fish_assay_needs_command" -f -a "inventory" -d 'Show what the probes see of the node'
complete -c assay -n "__fish_assay_needs_command" -f -a "verify" -d 'Check the node against the site\'s bill of materials, without any load'
complete -c assay -n "__fish_assay_needs_command" -f -a "bom" -d 'Work on the bill of materials'
complete -c assay -n "__fish_assay_needs_command" -f -a "list" -d 'List probes, checks, engines, scenarios and gates'
complete -c assay -n "__fish_assay_needs_command" -f -a "plan" -d 'Show what a scenario would touch, how long it takes and how many bytes it writes; touches nothing'
complete -c assay -n "__fish_assay_needs_command" -f -a "run" -d 'Run one scenario'
complete -c assay -n "__fish_assay_needs_command" -f -a "isolation" -d 'Try whether guests reach the hosts: ARP, ND, ICMP, TCP, UDP and tagged frames from interfaces on the guests\' VLANs; only the site\'s allow-list may answer. Needs root, and a witness on the hosts\' VLAN: silence is a pass only where an answer would have been heard. Stored as a run with a report; the gate of phase 2 is judged on the newest, which must have probed from every guest VLAN of the site'
complete -c assay -n "__fish_assay_needs_command" -f -a "drill" -d 'Break something on purpose, measure the outage, and heal it: a scenario with a fault, such as bond-failover. Only on nodes that the site lists with the serial number of their board; a watchdog on the node heals when assay or the connection dies'
complete -c assay -n "__fish_assay_needs_command" -f -a "calibrate" -d 'Measure how fast assay is beside another tool on this machine: interleaved pairs on the same scratch target, with the same parameters'
complete -c assay -n "__fish_assay_needs_command" -f -a "baseline" -d 'Read results of fio (`--output-format=json` or `json+`), of iperf3 (`-J`) or of perftest (`ib_write_bw` and its sisters) as a baseline: its figures under assay\'s names, as requirements for the file of a gate'
complete -c assay -n "__fish_assay_needs_command" -f -a "gate" -d 'Judge the gate of a phase from the node as it is now and the runs that are stored'
complete -c assay -n "__fish_assay_needs_command" -f -a "report" -d 'Write the HTML report of stored runs or of an acceptance'
complete -c assay -n "__fish_assay_needs_command" -f -a "selftest" -d 'Plant every fault of the corpus in reference nodes and print how often the checks are wrong; offline, and nothing of this machine is read'
complete -c assay -n "__fish_assay_needs_command" -f -a "verify-writes" -d 'After a kill, a crash or a power cut: read back what a run wrote whose scenario has `ack_log = true`, and say whether everything that was acknowledged is there. Reads only; exit 1 when something is lost or cannot be read, 3 when the host was booted since and nothing was found missing: the log may be older than the writes then'
complete -c assay -n "__fish_assay_needs_command" -f -a "snapshot" -d 'Record everything that the probes read, as one plain-text file'
complete -c assay -n "__fish_assay_needs_command" -f -a "compare" -d 'Show what differs between two snapshots, ranked by consequence: before and after a firmware update, or node against node; exit 1 when something differs, 3 when something could not be read'
complete -c assay -n "__fish_assay_needs_command" -f -a "history" -d 'Show the stored runs and how their figures moved'
complete -c assay -n "__fish_assay_needs_command" -f -a "agent" -d 'Serve another assay as the far end of a measurement: it starts this by itself, over SSH, and speaks with it over standard input and output'
complete -c assay -n "__fish_assay_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c assay -n "__fish_assay_needs_command" -f -a "man" -d 'Print the manual page in roff'
complete -c assay -n "__fish_assay_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c assay -n "__fish_assay_using_subcommand accept" -l phase -d 'Phase whose gate is judged, 1 to 11' -r
complete -c assay -n "__fish_assay_using_subcommand accept" -l scratch -d 'Folder in which the scratch file is made and removed; the folder of the runs without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand accept" -l window -d 'Least seconds between the two looks at the node, where the gate asks what changed in between; an hour under load says most' -r
complete -c assay -n "__fish_assay_using_subcommand accept" -l resume -d 'Finish an acceptance: its id, or the newest one that is unfinished' -r
complete -c assay -n "__fish_assay_using_subcommand accept" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand accept" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand accept" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand accept" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand accept" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand accept" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand accept" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand accept" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand accept" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand accept" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand accept" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand inventory" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand inventory" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand inventory" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand inventory" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand inventory" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand inventory" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand inventory" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand inventory" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand inventory" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand inventory" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand inventory" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand inventory" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand verify" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand verify" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand verify" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand verify" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand verify" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand verify" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -f -a "lint" -d 'Show contradictions and why; exit 3 while one that blocks is unresolved'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -f -a "draft" -d 'Write the bill of materials of this node'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -f -a "limits" -d 'Show each physical ceiling with its formula and inputs'
complete -c assay -n "__fish_assay_using_subcommand bom; and not __fish_seen_subcommand_from lint draft limits help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from lint" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from draft" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from limits" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from help" -f -a "lint" -d 'Show contradictions and why; exit 3 while one that blocks is unresolved'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from help" -f -a "draft" -d 'Write the bill of materials of this node'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from help" -f -a "limits" -d 'Show each physical ceiling with its formula and inputs'
complete -c assay -n "__fish_assay_using_subcommand bom; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c assay -n "__fish_assay_using_subcommand list" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand list" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand list" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand list" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand list" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand list" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand list" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand list" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand list" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand list" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand list" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand plan" -l target -d 'What the scenario works on: a folder for its scratch file, a loop device that holds nothing, a drive that holds nothing and is confirmed, or a pool of a Ceph cluster for its scratch image: rbd:POOL/ or rbd:POOL/NAMESPACE/, with :cache=writeback, :object_size=4MiB or :features=layering+exclusive-lock behind it (krbd:POOL/: mapped by the kernel), or for its scratch objects: rados:POOL/; may be given several times' -r -F
complete -c assay -n "__fish_assay_using_subcommand plan" -l i-own-serial -d 'Confirm that everything on the drive with this serial number may be lost: without it no drive is written; may be given several times' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l purge-serial -d 'The second key for scenarios that purge a drive as a whole: its serial number again; may be given several times' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l endurance-percent -d 'Most of its rated life that a run may take of a drive' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l nodes -d 'Nodes of the site that take part, each reached over SSH with existing keys; `all` for every node of the site. The same build of assay must be on each' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l network -d 'Which of the site\'s networks data goes through: `addresses` of [[node]] in site.toml; the only one that all these nodes are in without it; in a drill on a Ceph cluster the one that a host is cut off from' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l ring -d 'Which of the site\'s networks is corosync\'s: in a drill on a Ceph cluster round trips of the node that fails to another one are measured in it meanwhile; with `all` on every link of corosync that the order names' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand plan" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand plan" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand plan" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand plan" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand plan" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand plan" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand plan" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand plan" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand run" -l target -d 'What the scenario works on: a folder for its scratch file, a loop device that holds nothing, a drive that holds nothing and is confirmed, or a pool of a Ceph cluster for its scratch image: rbd:POOL/ or rbd:POOL/NAMESPACE/, with :cache=writeback, :object_size=4MiB or :features=layering+exclusive-lock behind it (krbd:POOL/: mapped by the kernel), or for its scratch objects: rados:POOL/; may be given several times' -r -F
complete -c assay -n "__fish_assay_using_subcommand run" -l i-own-serial -d 'Confirm that everything on the drive with this serial number may be lost: without it no drive is written; may be given several times' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l purge-serial -d 'The second key for scenarios that purge a drive as a whole: its serial number again; may be given several times' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l endurance-percent -d 'Most of its rated life that a run may take of a drive' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l nodes -d 'Nodes of the site that take part, each reached over SSH with existing keys; `all` for every node of the site. The same build of assay must be on each' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l network -d 'Which of the site\'s networks data goes through: `addresses` of [[node]] in site.toml; the only one that all these nodes are in without it; in a drill on a Ceph cluster the one that a host is cut off from' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l ring -d 'Which of the site\'s networks is corosync\'s: in a drill on a Ceph cluster round trips of the node that fails to another one are measured in it meanwhile; with `all` on every link of corosync that the order names' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l resume -d 'Finish a run that was interrupted or cancelled: its id, or the newest one' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand run" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand run" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand run" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand run" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand run" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand run" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand run" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand run" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand run" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand isolation" -l guest -d 'An interface on a guest VLAN, untagged, optionally in a network namespace; may be given for each VLAN. The inner end of a veth pair whose other end is a port of the bridge, never the tap of a running guest' -r
complete -c assay -n "__fish_assay_using_subcommand isolation" -l witness -d 'An interface on the hosts\' VLAN that witnesses what arrives there; may be given several times' -r
complete -c assay -n "__fish_assay_using_subcommand isolation" -l seconds -d 'Seconds for which frames of the hosts\' VLAN are listened for; fewer than 600 never prove that there are none' -r
complete -c assay -n "__fish_assay_using_subcommand isolation" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand isolation" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand isolation" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand isolation" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand isolation" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand isolation" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand isolation" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand isolation" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand isolation" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand isolation" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand isolation" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand isolation" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand drill" -l target -d 'What the client of a drill on a Ceph cluster works on: a pool for its scratch image, as in `assay run --target`' -r -F
complete -c assay -n "__fish_assay_using_subcommand drill" -l nodes -d 'Nodes of the site that take part, each reached over SSH with existing keys; `all` for every node of the site. The same build of assay must be on each' -r
complete -c assay -n "__fish_assay_using_subcommand drill" -l network -d 'Which of the site\'s networks data goes through: `addresses` of [[node]] in site.toml; the only one that all these nodes are in without it; in a drill on a Ceph cluster the one that a host is cut off from' -r
complete -c assay -n "__fish_assay_using_subcommand drill" -l ring -d 'Which of the site\'s networks is corosync\'s: in a drill on a Ceph cluster round trips of the node that fails to another one are measured in it meanwhile; with `all` on every link of corosync that the order names' -r
complete -c assay -n "__fish_assay_using_subcommand drill" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand drill" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand drill" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand drill" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand drill" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand drill" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand drill" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand drill" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand drill" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand drill" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand drill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand drill" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l against -d 'The other tool' -r -f -a "fio\t'fio, with the best of its flags and its latency accounting on'
iperf3\t'iperf3, with the best of its flags, in network namespaces that are made for it (needs root)'
rbd\t'fio\'s engine rbd and `rbd bench`, on scratch images of a Ceph cluster (needs --target rbd:POOL/)'
perftest\t'perftest, on one RDMA device whose packets come back to it (needs a build with the feature `rdma`, and --address)'"
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l pairs -d 'Pairs of each comparison; the first of a pair is assay and the other tool in turn' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l seconds -d 'Measured seconds of each side' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l scratch -d 'Folder for the scratch files, which are removed at the end; on a tmpfs the tools are compared, elsewhere the disk has its share' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l target -d 'A loop device or a drive that holds nothing, in place of a loop device over a scratch file; 256 MiB of it are written again and again. Against rbd: the pool, as in `assay run --target`, where two scratch images of 128 MiB are made' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l i-own-serial -d 'Says that the drive with this serial number is yours to overwrite; without it no drive is written to' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l endurance-percent -d 'Most of its rated life that the calibration may take of a drive' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l only -d 'Only the comparison with this name; may be given again' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l fio -d 'The fio to compare with' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l rbd -d 'The rbd to compare with' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l iperf3 -d 'The iperf3 to compare with' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l address -d 'Against perftest: the address of this machine whose RoCE v2 GID both use' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l device -d 'Against perftest: the RDMA device, where several have the address' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand calibrate" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand calibrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand calibrate" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand baseline" -l share -d 'What share of each figure is to be reached' -r
complete -c assay -n "__fish_assay_using_subcommand baseline" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand baseline" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand baseline" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand baseline" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand baseline" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand baseline" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand baseline" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand baseline" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand baseline" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand baseline" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand baseline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand baseline" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand gate" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand gate" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand gate" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand gate" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand gate" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand gate" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand gate" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand gate" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand gate" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand gate" -l reuse-none -d 'Use no stored run: what can be said of the node as it is now, and nothing else'
complete -c assay -n "__fish_assay_using_subcommand gate" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand gate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand gate" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand report" -s o -l output -d 'File to write; replaces an older report, and nothing else' -r -F
complete -c assay -n "__fish_assay_using_subcommand report" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand report" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand report" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand report" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand report" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand report" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand report" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand report" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand report" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand report" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand report" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand selftest" -l phase -d 'Only the checks of this phase: 1, 2, 4 or 5' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l case -d 'Only the cases whose id has this in it' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l trials -d 'Trials of each truth, with --measure' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l write-node -d 'Write a reference node as a snapshot and do nothing else, so that it can be looked at with every other command' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand selftest" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand selftest" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand selftest" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand selftest" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand selftest" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand selftest" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand selftest" -l measure -d 'Measure instead how well assay tells a fast target from a slow one and a sound one from a broken one: targets in memory whose truth is known go through the driver and the judgement; about a minute'
complete -c assay -n "__fish_assay_using_subcommand selftest" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand selftest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand selftest" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand verify-writes" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand snapshot" -s o -l output -d 'File to write; replaces an older snapshot, and nothing else' -r -F
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand snapshot" -l redact -d 'Replace serials, addresses and names by stable pseudonyms before anything is written'
complete -c assay -n "__fish_assay_using_subcommand snapshot" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand snapshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand snapshot" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand compare" -l allow -d 'Consequences that are expected, such as `firmware,setting`: still shown, and not decisive for the exit status' -r -f -a "duplicate\t''
lost\t''
degraded\t''
errors\t''
unreadable\t''
unknown\t''
reset\t''
replaced\t''
moved\t''
appeared\t''
firmware\t''
topology\t''
setting\t''
volatile\t''"
complete -c assay -n "__fish_assay_using_subcommand compare" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand compare" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand compare" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand compare" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand compare" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand compare" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand compare" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand compare" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand compare" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand compare" -l peers -d 'Compare two nodes that should be alike: serial numbers, addresses and names may differ, and of parts must. Found out by itself from the boards\' serial numbers'
complete -c assay -n "__fish_assay_using_subcommand compare" -l all -d 'Show also what changes by itself: temperatures, traffic'
complete -c assay -n "__fish_assay_using_subcommand compare" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand compare" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand history" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand history" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand history" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand history" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand history" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand history" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand history" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand history" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand history" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand history" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand history" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand agent" -l faults -d 'Folder of the records of faults in effect; leftovers in it are healed first' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l watchdog -d 'Guard the fault of this record until the agent at the other end of standard input is done or dead' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand agent" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand agent" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand agent" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand agent" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand agent" -l stdio -d 'Speak the protocol over standard input and output'
complete -c assay -n "__fish_assay_using_subcommand agent" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand agent" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand agent" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand completions" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand completions" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand completions" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand completions" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand completions" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand completions" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand completions" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand completions" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand completions" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand completions" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand completions" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand man" -l site -d 'Folder of the site (site.toml, bom.toml, ...); the embedded `generic` site without it' -r -F
complete -c assay -n "__fish_assay_using_subcommand man" -l root -d 'Probe the tree below DIR instead of /' -r -F
complete -c assay -n "__fish_assay_using_subcommand man" -l snapshot -d 'Probe a recorded snapshot instead of this machine' -r -F
complete -c assay -n "__fish_assay_using_subcommand man" -l since -d 'An earlier snapshot of the same node: checks of what changed since look at both' -r -F
complete -c assay -n "__fish_assay_using_subcommand man" -l bmc -d 'Management controller of this node, https://HOST; the site names it otherwise. Its user and password come from ASSAY_BMC_CREDENTIALS, a file with mode 0600 and the lines user=NAME and password=WORD, or from ASSAY_BMC_USER and ASSAY_BMC_PASSWORD' -r
complete -c assay -n "__fish_assay_using_subcommand man" -l runs -d 'Where runs are kept' -r -F
complete -c assay -n "__fish_assay_using_subcommand man" -l format -d 'How results are printed' -r -f -a "text\t'For people'
json\t'One JSON object; schemas are in docs/schema'"
complete -c assay -n "__fish_assay_using_subcommand man" -l probe-deadline -d 'Seconds after which a probe that hangs is given up and reported with the path that it hung on' -r
complete -c assay -n "__fish_assay_using_subcommand man" -l listen -d 'Seconds for which the members of bonds are listened on for the switches at their other end (LLDP, one frame in 30 s), unless lldpd knows them: 35 for accept and snapshot, 0 for other commands. Ends early when all were heard' -r
complete -c assay -n "__fish_assay_using_subcommand man" -s v -l verbose -d 'Say more on standard error'
complete -c assay -n "__fish_assay_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c assay -n "__fish_assay_using_subcommand man" -s V -l version -d 'Print version'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "accept" -d 'Probe, check, run the phase\'s scenarios, judge the gate and write the report'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "inventory" -d 'Show what the probes see of the node'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "verify" -d 'Check the node against the site\'s bill of materials, without any load'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "bom" -d 'Work on the bill of materials'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "list" -d 'List probes, checks, engines, scenarios and gates'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "plan" -d 'Show what a scenario would touch, how long it takes and how many bytes it writes; touches nothing'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "run" -d 'Run one scenario'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "isolation" -d 'Try whether guests reach the hosts: ARP, ND, ICMP, TCP, UDP and tagged frames from interfaces on the guests\' VLANs; only the site\'s allow-list may answer. Needs root, and a witness on the hosts\' VLAN: silence is a pass only where an answer would have been heard. Stored as a run with a report; the gate of phase 2 is judged on the newest, which must have probed from every guest VLAN of the site'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "drill" -d 'Break something on purpose, measure the outage, and heal it: a scenario with a fault, such as bond-failover. Only on nodes that the site lists with the serial number of their board; a watchdog on the node heals when assay or the connection dies'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "calibrate" -d 'Measure how fast assay is beside another tool on this machine: interleaved pairs on the same scratch target, with the same parameters'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "baseline" -d 'Read results of fio (`--output-format=json` or `json+`), of iperf3 (`-J`) or of perftest (`ib_write_bw` and its sisters) as a baseline: its figures under assay\'s names, as requirements for the file of a gate'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "gate" -d 'Judge the gate of a phase from the node as it is now and the runs that are stored'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "report" -d 'Write the HTML report of stored runs or of an acceptance'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "selftest" -d 'Plant every fault of the corpus in reference nodes and print how often the checks are wrong; offline, and nothing of this machine is read'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "verify-writes" -d 'After a kill, a crash or a power cut: read back what a run wrote whose scenario has `ack_log = true`, and say whether everything that was acknowledged is there. Reads only; exit 1 when something is lost or cannot be read, 3 when the host was booted since and nothing was found missing: the log may be older than the writes then'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "snapshot" -d 'Record everything that the probes read, as one plain-text file'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "compare" -d 'Show what differs between two snapshots, ranked by consequence: before and after a firmware update, or node against node; exit 1 when something differs, 3 when something could not be read'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "history" -d 'Show the stored runs and how their figures moved'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "agent" -d 'Serve another assay as the far end of a measurement: it starts this by itself, over SSH, and speaks with it over standard input and output'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "completions" -d 'Print a completion script for a shell'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "man" -d 'Print the manual page in roff'
complete -c assay -n "__fish_assay_using_subcommand help; and not __fish_seen_subcommand_from accept inventory verify bom list plan run isolation drill calibrate baseline gate report selftest verify-writes snapshot compare history agent completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c assay -n "__fish_assay_using_subcommand help; and __fish_seen_subcommand_from bom" -f -a "lint" -d 'Show contradictions and why; exit 3 while one that blocks is unresolved'
complete -c assay -n "__fish_assay_using_subcommand help; and __fish_seen_subcommand_from bom" -f -a "draft" -d 'Write the bill of materials of this node'
complete -c assay -n "__fish_assay_using_subcommand help; and __fish_seen_subcommand_from bom" -f -a "limits" -d 'Show each physical ceiling with its formula and inputs'
