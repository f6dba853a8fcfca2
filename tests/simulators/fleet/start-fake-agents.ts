/**
 * A fleet of simulated agents in a process of its own, so that what it costs is not counted as labd's:
 *
 *     await using fakes = startFakeAgents();
 *     await fakes.ask({ do: 'enrol', count: 200, url: labd.agents, bundlePem, token });
 *     await fakes.ask({ do: 'connect' });
 */
import { join } from 'node:path';
import type { ConnectOptions, FleetCounts } from './fake-fleet.ts';
import type { Enrolling } from './fake-identity.ts';

export type FakeCommand =
  /** Keys and requests for `count` machines that enrol later. */
  | { do: 'prepare'; count: number }
  | ({ do: 'enrol'; count: number; prefix?: string } & Enrolling)
  | ({ do: 'connect' } & ConnectOptions)
  | { do: 'facts'; facts: Record<string, unknown> }
  /** `count`: how many of those that are up. */
  | { do: 'freeze' | 'vanish'; count: number }
  | { do: 'disconnect' | 'come-back' | 'counts' };

export interface FakeAgents extends AsyncDisposable {
  readonly pid: number;
  /** Does one thing; gives the counts after it. @throws Error with the process's reason. */
  ask(command: FakeCommand): Promise<FleetCounts>;
}

type Answer = { id: number; ok: boolean; reason?: string; counts?: FleetCounts };

class FakeAgentsProcess implements FakeAgents {
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #waiting = new Map<number, PromiseWithResolvers<FleetCounts>>();
  #asked = 0;

  constructor(launch: readonly string[]) {
    const command = [...launch, process.execPath, join(import.meta.dir, 'fake-agents.ts')];
    this.#child = Bun.spawn(command, { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
    void this.#read();
  }

  get pid(): number {
    return this.#child.pid;
  }

  ask(command: FakeCommand): Promise<FleetCounts> {
    const waiting = Promise.withResolvers<FleetCounts>();
    this.#waiting.set(++this.#asked, waiting);
    void this.#child.stdin.write(`${JSON.stringify({ ...command, id: this.#asked })}\n`);
    void this.#child.stdin.flush();
    return waiting.promise;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of this.#child.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(JSON.parse(line) as Answer);
    }
    for (const { reject } of this.#waiting.values()) reject(new Error('the simulated agents ended'));
  }

  #take({ id, ok, reason, counts }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (ok && counts !== undefined) waiting?.resolve(counts);
    else waiting?.reject(new Error(reason));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/** `launch`: words in front of the command, such as `taskset -c 1`. */
export const startFakeAgents = (launch: readonly string[] = []): FakeAgents => new FakeAgentsProcess(launch);
