/**
 * `lab-agent.service` (AG-10): started at boot, watched, restarted always, and with what hardening leaves an agent that
 * runs commands as any account. Before each start the guard of the last good version looks after an update on trial.
 */

/** Words of the commands; `guard` where the agent stands in version folders. */
export type UnitCommands = { run: readonly string[]; guard?: readonly string[] };

/** A word as systemd reads it back. */
const word = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text)
    ? text.replaceAll('%', '%%')
    : `"${text.replace(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;
const line = (words: readonly string[]) => words.map(word).join(' ');

/** The text of the unit. */
export function unitText({ run, guard }: UnitCommands): string {
  // A guard that cannot run must not keep the agent down.
  const before = guard === undefined ? '' : `ExecStartPre=-${line(guard)}\n`;
  return `# Made by lab-agent.
[Unit]
Description=labmesh agent
Documentation=man:lab-agent(8)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
${before}ExecStart=${line(run)}
# A version on trial tells READY when it is confirmed: 60 s to get a connection, 30 s to keep it, and a little.
TimeoutStartSec=95
WatchdogSec=60
Restart=always
RestartSec=2
TimeoutStopSec=30
KillMode=mixed
Delegate=yes
StateDirectory=labmesh/agent
StateDirectoryMode=0700
UMask=0077
LimitNOFILE=65536
OOMScoreAdjust=-500
# It runs commands as any account, so their world stays whole; what the agent alone needs is this little.
NoNewPrivileges=no
RestrictRealtime=yes
LockPersonality=yes
ProtectClock=yes
ProtectKernelLogs=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;
}
