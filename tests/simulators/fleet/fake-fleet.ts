/** Many simulated agents of one labd: enrolled, connected and let go together. */
import { FakeAgent, type Script } from './fake-agent.ts';
import { FakeReturn } from './fake-return.ts';
import { type Enrolling, enrolFakes, type FakeRequest, newFakeRequest } from './fake-identity.ts';

export type ConnectOptions = {
  /** Where to; the URL of enrolment by default. */
  url?: string;
  /** How many, of those that are not connected; all by default. */
  count?: number;
  /** Dials under way at a time. */
  atOnce?: number;
  /** First heartbeats come after `firstBeatMs`, spread over `spreadMs`. */
  firstBeatMs?: number;
  spreadMs?: number;
  /** Tries of each agent, a second apart: labd turns away who comes too fast (HB-11). */
  tries?: number;
};

export type FleetCounts = {
  enrolled: number;
  connected: number;
  execs: number;
  beats: number;
  lost: number;
  /** The shortest time over which one of them would spread its return. */
  spreadMs: number | undefined;
  /** Of agents that come back by themselves: when each tried first after a loss, as a share of the time labd told it. */
  waits: number[];
  /** When they were let in again, ms of one clock, in order. */
  returns: number[];
};

export class FakeFleet implements AsyncDisposable {
  readonly agents: FakeAgent[] = [];
  readonly #script: Script | undefined;
  readonly #requests: FakeRequest[] = [];
  #url = '';
  #homing: FakeReturn[] = [];
  #waits: number[] = [];
  #returns: number[] = [];

  constructor(script?: Script) {
    this.#script = script;
  }

  /** Makes keys and requests for machines that enrol later, where that is what is measured. */
  async prepare(count: number): Promise<void> {
    for (let made = 0; made < count; made++) this.#requests.push(await newFakeRequest());
  }

  /** Adds machines `<prefix>-1`, `<prefix>-2`, … @throws Error when labd refuses one. */
  async enrol(enrolling: Enrolling, count: number, prefix = 'fake'): Promise<void> {
    this.#url = enrolling.url;
    const from = this.agents.length;
    const names = Array.from({ length: count }, (_, index) => `${prefix}-${from + index + 1}`);
    const made = await enrolFakes(enrolling, names, this.#requests);
    this.agents.push(...made.map((identity) => new FakeAgent(identity, this.#script)));
  }

  /** Connects those that are not; resolves when all are up. @throws what the last try of an agent met. */
  async connect(options: ConnectOptions = {}): Promise<void> {
    const { url = this.#url, count = Infinity, atOnce = 32, firstBeatMs = 0, spreadMs = 10_000, tries = 5 } = options;
    const waiting = this.agents.filter((agent) => !agent.isUp).slice(0, count);
    let next = 0;
    const worker = async () => {
      for (let agent = waiting[next++]; agent !== undefined; agent = waiting[next++]) {
        await connectOne(agent, url, firstBeatMs + Math.random() * spreadMs, tries);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }

  /** From now on each agent that is lost comes back by itself, as lab-agent does. */
  comeBack(): void {
    [this.#waits, this.#returns] = [[], []];
    for (const one of this.#homing) one.stop();
    const teller = {
      lost: (share: number) => void this.#waits.push(share),
      back: () => void this.#returns.push(Math.round(performance.now())),
    };
    this.#homing = this.agents.map((agent) => new FakeReturn(agent, this.#url, teller));
  }

  counts(): FleetCounts {
    const sum = (of: (agent: FakeAgent) => number) => this.agents.reduce((total, agent) => total + of(agent), 0);
    return {
      enrolled: this.agents.length,
      connected: sum(({ isUp }) => Number(isUp)),
      execs: sum(({ execs }) => execs),
      beats: sum(({ beatsSent }) => beatsSent),
      lost: sum(({ isUp, closedWith }) => Number(!isUp && closedWith !== undefined)),
      spreadMs: least(this.agents.map(({ returnWithinMs }) => returnWithinMs ?? 0)),
      waits: this.#waits,
      returns: this.#returns,
    };
  }

  /** The first `count` that are up hang. */
  freeze(count: number): void {
    for (const agent of this.#up(count)) agent.freeze();
  }

  /** The first `count` that are up are gone. */
  vanish(count: number): void {
    for (const agent of this.#up(count)) agent.vanish();
  }

  #up(count: number): FakeAgent[] {
    return this.agents.filter((agent) => agent.isUp).slice(0, count);
  }

  async disconnect(): Promise<void> {
    for (const one of this.#homing) one.stop();
    await Promise.all(this.agents.map((agent) => agent[Symbol.asyncDispose]()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect();
  }
}

const least = (numbers: readonly number[]) => (numbers.length === 0 ? undefined : Math.min(...numbers));

async function connectOne(agent: FakeAgent, url: string, firstBeatMs: number, tries: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await agent.connect(url, firstBeatMs);
    } catch (error) {
      if (attempt >= tries) throw error;
      await Bun.sleep(500 + Math.random() * 1_000);
    }
  }
}
