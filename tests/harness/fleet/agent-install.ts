/**
 * lab-agent as it is installed: version folders, and a supervisor that does what systemd does with its unit (the guard
 * before each start, a start that takes too long is killed, every end is followed by a start). Releases are bundles of
 * this checkout with another version in them, or scripts that fail in one way.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { releaseFile, releaseText } from '@labmesh/wire/fleet/releases';
import { Daemon, environment, run, type RunningLabd } from '../start-labd.ts';

const root = resolve(import.meta.dir, '../../..');
const main = join(root, 'daemons/agent/src/main.ts');
export const arch = process.arch === 'arm64' ? 'arm64' : 'x64';

/** Who makes the releases. */
export class ReleaseMaker {
  readonly #key: KeyObject;
  /** For `agent.release_key`. */
  readonly text: string;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    this.#key = privateKey;
    this.text = `ed25519:${publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')}`;
  }

  sign(version: string, content: Uint8Array, machine: string = arch): string {
    const sha256 = new Bun.CryptoHasher('sha256').update(content).digest('hex');
    return sign(null, Buffer.from(releaseText(version, machine, sha256)), this.#key).toString('base64');
  }

  /** Puts a release into the data folder of a labd; gives the file's path. */
  publish(labd: Pick<RunningLabd, 'folder'>, version: string, content: string, signature?: string): string {
    const folder = join(labd.folder, 'data/releases', version);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, releaseFile(arch));
    writeFileSync(path, content);
    writeFileSync(`${path}.sig`, `${signature ?? this.sign(version, Buffer.from(content))}\n`);
    return path;
  }
}

/** This checkout's agent as one executable text with that version. */
export async function agentProgram(version: string): Promise<string> {
  const words = ['build', '--target=bun', '--define', `LABMESH_VERSION=${JSON.stringify(version)}`, main];
  const built = await run([process.execPath, ...words], { cwd: root, env: environment('/tmp') });
  if (built.exitCode !== 0) throw new Error(`the agent could not be bundled: ${built.stderr}`);
  return `#!${process.execPath}\n${built.stdout}`;
}

export type InstallSettings = { releaseKey?: string; toml?: string; token?: Record<string, unknown> };

/** Times of a trial, short ones. */
const trialToml = 'update_confirm = "500ms"\nupdate_trial = "4s"\nreconnect_min = "100ms"\nreconnect_max = "500ms"';
/** TimeoutStartSec of the unit, in the same measure. */
const startMs = 5_500;

export class InstalledAgent implements AsyncDisposable {
  readonly hostname: string;
  readonly folder = mkdtempSync(join(tmpdir(), 'labmesh-installed-'));
  readonly #config = join(this.folder, 'labmesh.toml');
  readonly #install = join(this.folder, 'opt');
  #daemon: Daemon | undefined;
  #said = '';
  #stopping = false;
  #running: Promise<void> | undefined;
  /** Programs started so far, by version. */
  readonly starts: string[] = [];

  constructor(hostname: string) {
    this.hostname = hostname;
  }

  /** Places the program and enrols; then the supervisor runs it until it is disposed. */
  async start(labd: RunningLabd, version: string, program: string, settings: InstallSettings = {}): Promise<this> {
    this.#place(version, program);
    const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', settings.token ?? {});
    const pin = (await (await fetch('http://labd/ca/pin', { unix: labd.socket })).text()).trim();
    const lines = [
      '[agent]',
      `url = "${labd.agents}"`,
      `ca_pin = "${pin}"`,
      `hostname = "${this.hostname}"`,
      `machine_id = "${randomBytes(16).toString('hex')}"`,
      `state_dir = "${join(this.folder, 'state')}"`,
      `install_dir = "${this.#install}"`,
      ...(settings.releaseKey === undefined ? [] : [`release_key = "${settings.releaseKey}"`]),
      trialToml,
      settings.toml ?? '',
    ];
    writeFileSync(this.#config, `${lines.join('\n')}\n`);
    const words = [this.#program('current'), 'enroll', '--config', this.#config, '--token-file', '-'];
    const enrol = await run(words, { ...this.#world, stdin: token });
    if (enrol.exitCode !== 0) throw new Error(`enrol: ${enrol.stderr}`);
    this.#running = this.#supervise();
    await this.says('"connected"');
    return this;
  }

  get #world() {
    return { cwd: this.folder, env: environment(this.folder) };
  }
  #program(link: 'current' | 'confirmed'): string {
    return join(this.#install, link, 'lab-agent');
  }

  #place(version: string, program: string): void {
    const folder = join(this.#install, 'versions', version);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'lab-agent'), program);
    chmodSync(join(folder, 'lab-agent'), 0o755);
    for (const link of ['current', 'confirmed']) symlinkSync(join('versions', version), join(this.#install, link));
  }

  async #supervise(): Promise<void> {
    while (!this.#stopping) {
      const guard = await run([this.#program('confirmed'), 'guard', '--config', this.#config], this.#world);
      this.#said += guard.stdout + guard.stderr;
      this.starts.push(this.link('current'));
      // What cannot be started has ended at once.
      await this.#runOnce().catch((error: unknown) => (this.#said += `${String(error)}\n`));
      await Bun.sleep(50);
    }
  }

  async #runOnce(): Promise<void> {
    const daemon = new Daemon([this.#program('current'), 'run', '--config', this.#config], this.#world);
    this.#daemon = daemon;
    // READY of a version on trial comes when it is confirmed; who does not come that far is killed.
    const timer = setTimeout(() => {
      if (this.memory().trial !== undefined) daemon.signal('SIGKILL');
    }, startMs);
    await daemon.exited;
    clearTimeout(timer);
    await daemon[Symbol.asyncDispose]();
    this.#said += daemon.said;
    this.#daemon = undefined;
  }

  get said(): string {
    return this.#said + (this.#daemon?.said ?? '');
  }
  /** The version that a link names. */
  link(name: 'current' | 'confirmed'): string {
    return basename(readlinkSync(join(this.#install, name)));
  }
  versions(): string[] {
    const versions = join(this.#install, 'versions');
    return existsSync(versions) ? [...new Bun.Glob('*').scanSync({ cwd: versions, onlyFiles: false, dot: true })] : [];
  }
  /** `update.json`. */
  memory(): { trial?: { version: string }; bad?: { version: string; reason: string }[] } {
    const path = join(this.folder, 'state/update.json');
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  }

  async until(isSo: () => boolean | Promise<boolean>, what: string, ms = 30_000): Promise<void> {
    const last = performance.now() + ms;
    while (!(await isSo())) {
      if (performance.now() > last) throw new Error(`${this.hostname}: not ${what}:\n${this.said.slice(-4_000)}`);
      await Bun.sleep(50);
    }
  }
  says = (text: string) => this.until(() => this.said.includes(text), `"${text}"`);

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#daemon?.signal('SIGKILL');
    await this.#running;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
