/** labctl as a person uses it: a home of its own, on a machine of its own where there is a network lab. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Spawned } from '@labmesh/agent/exec/process/spawned';
import { spawnOnTerminal } from '@labmesh/agent/exec/process/terminal';
import type { Tty } from '@labmesh/wire/frame/open';
import { environment, type Finished, labctlMain, placed, type Place, run, type RunningLabd } from '../start-labd.ts';

export type ClientOptions = { place?: Place; socket?: string };

/** A command that still runs. Output as it came, stdout in bytes. */
export class LabctlRun implements AsyncDisposable {
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'pipe'>;
  readonly #parts: Uint8Array[] = [];
  #stdoutBytes = 0;
  #stderr = '';
  #wake: () => void = () => {};
  readonly ended: Promise<{ exitCode: number; stdout: Buffer; stderr: string }>;

  constructor(command: readonly string[], options: { cwd: string; env: Record<string, string> }) {
    this.#child = Bun.spawn([...command], { ...options, stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });
    this.ended = this.#read();
  }

  async #read() {
    const out = async () => {
      for await (const bytes of this.#child.stdout) {
        this.#parts.push(bytes);
        this.#stdoutBytes += bytes.length;
        this.#wake();
      }
    };
    const errors = async () => {
      const decoder = new TextDecoder();
      for await (const bytes of this.#child.stderr) {
        this.#stderr += decoder.decode(bytes, { stream: true });
        this.#wake();
      }
    };
    await Promise.all([out(), errors()]);
    const exitCode = await this.#child.exited;
    this.#wake();
    return { exitCode, stdout: this.stdout, stderr: this.#stderr };
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#parts);
  }
  get stdoutBytes(): number {
    return this.#stdoutBytes;
  }
  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until so much came on stdout. Rejects when the command ended before, or took longer than `ms`. */
  async hasOutput(bytes: number, ms = 20_000): Promise<void> {
    await this.#until(() => this.#stdoutBytes >= bytes, `${bytes} bytes`, ms);
  }

  async says(text: string, ms = 20_000): Promise<void> {
    await this.#until(() => this.#stderr.includes(text) || this.stdout.includes(text), `"${text}"`, ms);
  }

  async #until(isThere: () => boolean, what: string, ms: number): Promise<void> {
    const last = performance.now() + ms;
    while (!isThere()) {
      const { exitCode } = this.#child;
      if (exitCode !== null || performance.now() > last)
        throw new Error(`no ${what}; exit ${exitCode}, ${this.#stdoutBytes} bytes:\n${this.#stderr.slice(-2_000)}`);
      await Promise.race([new Promise<void>((wake) => (this.#wake = wake)), Bun.sleep(200)]);
    }
  }

  async write(text: string | Uint8Array): Promise<void> {
    void this.#child.stdin.write(text);
    await this.#child.stdin.flush();
  }
  endInput(): void {
    void this.#child.stdin.end();
  }
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

export class FleetClient implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), 'labmesh-client-'));
  readonly #place: Place | undefined;
  readonly #env: Record<string, string>;

  constructor({ place, socket }: ClientOptions = {}) {
    this.#place = place;
    this.#env = { ...environment(this.home), ...(socket !== undefined && { LABCTL_ADMIN_SOCKET: socket }) };
  }

  #command = (words: readonly string[]) => placed([process.execPath, labctlMain, ...words], this.#place);

  run(...words: string[]): Promise<Finished> {
    return this.runWith(undefined, ...words);
  }
  runWith(stdin: string | Uint8Array | undefined, ...words: string[]): Promise<Finished> {
    return run(this.#command(words), { cwd: this.home, env: this.#env, ...(stdin !== undefined && { stdin }) });
  }
  /** The text of stdout. @throws Error when it did not end with 0. */
  async ask(...words: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(...words);
    if (exitCode !== 0) throw new Error(`labctl ${words.join(' ')}: ${exitCode}\n${stdout}${stderr}`);
    return stdout;
  }
  start(...words: string[]): LabctlRun {
    return new LabctlRun(this.#command(words), { cwd: this.home, env: this.#env });
  }

  /** Runs it with a terminal; gives what the terminal showed. */
  async inTerminal(size: { cols: number; rows: number }, typed: string, ...words: string[]) {
    let shown = '';
    const decoder = new TextDecoder();
    const child = Bun.spawn(this.#command(words), {
      cwd: this.home,
      env: { ...this.#env, TERM: 'xterm-256color' },
      terminal: { ...size, data: (_terminal, bytes) => void (shown += decoder.decode(bytes, { stream: true })) },
    });
    if (typed !== '') child.terminal?.write(typed);
    const exitCode = await child.exited;
    child.terminal?.close();
    return { exitCode, shown };
  }

  /** The same with every byte and no hurry: nothing is read ahead, nothing is lost at the end. */
  startOnTerminal(tty: Tty, ...words: string[]): Spawned {
    return spawnOnTerminal({ argv: this.#command(words), cwd: this.home, env: this.#env, owner: 0 }, { tty });
  }

  /** Logs in as a user that is made for it. */
  async login(labd: RunningLabd, url: string, name: string, roles: readonly string[]): Promise<void> {
    const { token } = await labd.call<{ token: string }>('POST', '/api/users', { name, roles });
    const pin = (await (await fetch('http://labd/ca/pin', { unix: labd.socket })).text()).trim();
    const { exitCode, stderr } = await this.runWith(token, 'login', url, '--ca-pin', pin, '--token-file', '-');
    if (exitCode !== 0) throw new Error(`login: ${stderr}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
