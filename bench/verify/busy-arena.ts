/**
 * A real arena on a core of its own, with as many runs as one tenant may have at all times: offered by the gateway under
 * test, else by the bench. So what the arena does to the machine is the same whoever's turn it is, and the turns differ in
 * the gateway's own work alone.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../tests/harness/fleet/two-replicas.ts';
import { lastEvents, runsPath } from '@labmesh/wire/verification/arena-run';
import { repositoryRoot } from '../report.ts';
import { StartedProcess } from '../started-process.ts';

/** A tenant's most at the arena. */
const atOnce = 10;
const busyMs = 100;

/** Where it will be. `secretFile` is what gateway and arena share; the first to start makes it. */
type ArenaPlace = { folder: string; secretFile: string; url: string; core: number };

export async function placeForArena(folder: string, core: number): Promise<ArenaPlace> {
  const [port = 0] = await freePorts(1);
  return { folder, secretFile: join(folder, 'arena.key'), url: `http://127.0.0.1:${port}`, core };
}

class BusyArena {
  readonly #url: string;
  readonly #secret: string;

  constructor({ url, secretFile }: Pick<ArenaPlace, 'url' | 'secretFile'>) {
    this.#url = `${url}${runsPath}?events=${lastEvents}`;
    this.#secret = readFileSync(secretFile, 'utf8').trim();
  }

  /** Keeps it busy while `work` runs. @throws Error when the arena took none of what it was offered */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const ending = new AbortController();
    const lanes = Array.from({ length: atOnce }, () => this.#offerUntil(ending.signal));
    const done = await work().finally(() => ending.abort());
    const verified = (await Promise.all(lanes)).reduce((sum, count) => sum + count, 0);
    if (verified === 0) throw new Error('the arena verified nothing of what the bench offered');
    return done;
  }

  /** One answer after another; gives how many were verified. */
  async #offerUntil(signal: AbortSignal): Promise<number> {
    let verified = 0;
    while (!signal.aborted) {
      const line = await this.#offer();
      if (line.includes('"event":"result"')) verified++;
      else if (line.includes('"arena_busy"')) await Bun.sleep(busyMs);
      else throw new Error(`the arena said ${line.slice(0, 300)}`);
    }
    return verified;
  }

  /** What the gateway offers of an answer of the mock upstream. */
  async #offer(): Promise<string> {
    const answer = { role: 'assistant', content: 'The capital of France is Paris, and it lies on the Seine.' };
    const request = { model: 'bench-model', messages: [{ role: 'user', content: 'What is the capital of France?' }] };
    const whose = { requestId: crypto.randomUUID(), tenant: 'default', key: 'bench' };
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#secret}`,
        'content-type': 'application/json',
        'x-labmesh-tenant': whose.tenant,
        'x-labmesh-key': whose.key,
      },
      body: JSON.stringify({ ...whose, mode: 'audit', answer, request, block: {}, deadlineMs: Date.now() + 60_000 }),
    });
    return await response.text();
  }
}

/** Starts it for a gateway's address. */
export async function startBusyArena(
  owned: AsyncDisposableStack,
  place: ArenaPlace,
  gateway: string,
): Promise<BusyArena> {
  const { folder, secretFile, url, core } = place;
  const where = ['--listen', new URL(url).host, '--gateway-url', gateway, '--data', join(folder, 'arena')];
  const command = ['./labctl', 'lab-arena', '--token-file', secretFile, ...where];
  const started = new StartedProcess({ name: 'arena', command, core, folder, cwd: repositoryRoot });
  await owned.use(started).readyLine();
  return new BusyArena(place);
}
