/**
 * wireguard-go as its service runs it: started again when it ends, as it does when its interface goes. Its socket has a
 * path without a network namespace: every interface on the machine needs a name of its own.
 */
import { existsSync } from 'node:fs';
import type { Place } from '../start-labd.ts';
import { placed } from '../start-labd.ts';

const againMs = 100;
const lookMs = 20;

/** Why there is none here, or undefined. */
export function wireguardGoMissing(): string | undefined {
  return Bun.which('wireguard-go') === null ? 'wireguard-go (Debian package wireguard-go)' : undefined;
}

export class KeptWireguardGo implements AsyncDisposable {
  readonly #command: readonly string[];
  readonly #socket: string;
  #child: Bun.Subprocess<'ignore', 'ignore', 'ignore'> | undefined;
  #isEnding = false;
  #running: Promise<void>;

  constructor(name: string, place: Place) {
    this.#command = placed(['wireguard-go', '-f', name], place);
    this.#socket = `/var/run/wireguard/${name}.sock`;
    this.#running = this.#run();
  }

  /** Resolves when it can be asked. */
  async ready(): Promise<this> {
    for (let tries = 0; tries < 250; tries++) {
      if (existsSync(this.#socket)) return this;
      await Bun.sleep(lookMs);
    }
    throw new Error(`wireguard-go did not open ${this.#socket}`);
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      this.#child = Bun.spawn([...this.#command], { stdio: ['ignore', 'ignore', 'ignore'] });
      await this.#child.exited;
      await Bun.sleep(againMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#child?.kill('SIGTERM');
    await Promise.race([this.#child?.exited, Bun.sleep(2_000)]);
    this.#child?.kill('SIGKILL');
    await this.#running;
  }
}
