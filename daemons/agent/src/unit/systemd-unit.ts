/**
 * `lab-agent.service` (AG-10): started at boot, watched, restarted always, and with what hardening leaves an agent that
 * runs commands as any account. `install` writes and starts it, `uninstall` takes it away.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';

const unitPath = '/etc/systemd/system/lab-agent.service';

/** A word as systemd reads it back. */
const word = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text)
    ? text.replaceAll('%', '%%')
    : `"${text.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`;

/** The text of the unit that runs `command`. */
export function unitText(command: readonly string[]): string {
  return `# Written by \`lab-agent install\`.
[Unit]
Description=labmesh agent
Documentation=man:lab-agent(8)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=${command.map(word).join(' ')}
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

async function systemctl(...words: string[]): Promise<void> {
  const child = Bun.spawn(['systemctl', ...words], { stdout: 'ignore', stderr: 'pipe' });
  const [code, text] = await Promise.all([child.exited, child.stderr.text()]);
  if (code !== 0) throw new Error(`systemctl ${words.join(' ')}: ${text.trim()}`);
}

/** Writes and starts the unit; gives a line to show. Without systemd it only prints the unit. */
export async function installUnit(config: string | undefined, selfCommand: readonly string[]): Promise<string> {
  const command = [...selfCommand, 'run', ...(config === undefined ? [] : ['--config', config])];
  const text = unitText(command);
  if (!existsSync('/run/systemd/system')) return `there is no systemd here; the unit would be:\n\n${text}`;
  writeFileSync(unitPath, text, { mode: 0o644 });
  await systemctl('daemon-reload');
  await systemctl('enable', '--now', 'lab-agent.service');
  return `${unitPath} is written and started; systemctl status lab-agent tells more`;
}

/** Stops and removes the unit, if it is there. */
export async function removeUnit(): Promise<void> {
  if (!existsSync(unitPath)) return;
  await systemctl('disable', '--now', 'lab-agent.service').catch(() => undefined);
  rmSync(unitPath, { force: true });
  await systemctl('daemon-reload').catch(() => undefined);
}
