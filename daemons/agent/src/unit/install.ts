/** `lab-agent install` and `uninstall`: the version folders, the links and the unit (AG-8, AG-10). */
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VersionFolders } from '../update/version-folders.ts';
import { unitText } from './systemd-unit.ts';

const unitPath = '/etc/systemd/system/lab-agent.service';

export type InstallOptions = {
  /** File of the settings, absolute. */
  config: string | undefined;
  installDir: string;
  version: string;
  /** Words that start this program again. */
  selfCommand: readonly string[];
  /** This program as one file; undefined in a checkout, which cannot be updated by replacing a file. */
  program: string | undefined;
};

async function systemctl(...words: string[]): Promise<void> {
  const child = Bun.spawn(['systemctl', ...words], { stdout: 'ignore', stderr: 'pipe' });
  const [code, text] = await Promise.all([child.exited, child.stderr.text()]);
  if (code !== 0) throw new Error(`systemctl ${words.join(' ')}: ${text.trim()}`);
}

/** Puts the program into its version's folder and points both links there. @throws what the file system says. */
export function placeProgram(program: string, version: string, installDir: string): void {
  const folders = new VersionFolders(installDir);
  if (folders.versionOf(program) !== version) {
    // A running file cannot be written over: the copy takes its place by a rename.
    const draft = folders.partOf('0'.repeat(64));
    copyFileSync(program, draft);
    folders.install(version, draft);
  }
  folders.point('confirmed', version);
  folders.point('current', version);
}

/** The unit for this installation; @see placeProgram. */
export function installedUnit({ config, installDir, selfCommand, program }: InstallOptions): string {
  const settings = config === undefined ? [] : ['--config', config];
  if (program === undefined) return unitText({ run: [...selfCommand, 'run', ...settings] });
  const of = (link: string) => join(installDir, link, 'lab-agent');
  return unitText({ run: [of('current'), 'run', ...settings], guard: [of('confirmed'), 'guard', ...settings] });
}

/** Installs and starts it; gives a line to show. Without systemd nothing is changed, and the unit is shown. */
export async function installHere(options: InstallOptions): Promise<string> {
  const text = installedUnit(options);
  if (!existsSync('/run/systemd/system')) return `there is no systemd here; the unit would be:\n\n${text}`;
  if (options.program !== undefined) placeProgram(options.program, options.version, options.installDir);
  writeFileSync(unitPath, text, { mode: 0o644 });
  await systemctl('daemon-reload');
  await systemctl('enable', '--now', 'lab-agent.service');
  return `${unitPath} is written and started; systemctl status lab-agent tells more`;
}

/** Stops and removes the unit, the versions and the identity, where they are. */
export async function removeHere({ installDir, stateDir }: { installDir: string; stateDir: string }): Promise<void> {
  if (existsSync(unitPath)) {
    await systemctl('disable', '--now', 'lab-agent.service').catch(() => undefined);
    rmSync(unitPath, { force: true });
    await systemctl('daemon-reload').catch(() => undefined);
  }
  for (const name of ['current', 'confirmed', 'versions'])
    rmSync(join(installDir, name), { recursive: true, force: true });
  rmSync(stateDir, { recursive: true, force: true });
}
