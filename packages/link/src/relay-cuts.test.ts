import { afterAll, expect, test } from 'bun:test';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { ChannelEnd } from './channel-end.ts';
import type { ChannelEnding } from './channel.ts';
import type { RelayTap } from './channel-relay.ts';
import { execOpen, type Part, type Replica, seeded, someBytes, token, World } from './testing/relay-world.ts';

const cutsWanted = Number(process.env['LABMESH_CUTS'] ?? 200);
const firstSeed = Number(process.env['LABMESH_SEED'] ?? 1);
let cutsDone = 0;

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Sends `bytes` in pieces of any size, now and then with a pause. */
async function send(end: ChannelEnd, stream: StreamId, bytes: Uint8Array, random: () => number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const size = random() < 0.2 ? 1 + Math.floor(random() * 8) : 1 + Math.floor(random() * 40_000);
    await end.write(stream, bytes.subarray(at, at + size));
    at += size;
    if (random() < 0.1) await tick();
  }
  end.end(stream);
}

/** Takes what comes, slowly at times. */
function reader(random: () => number) {
  const parts: Uint8Array[] = [];
  const take = (bytes: Uint8Array): void | Promise<void> => {
    parts.push(Buffer.from(bytes));
    if (random() < 0.3) return tick().then(() => (random() < 0.5 ? tick() : undefined));
  };
  return { take, all: () => Buffer.concat(parts) };
}

class Client {
  readonly #world: World;
  readonly #random: () => number;
  link: ReturnType<World['connectClient']> | undefined;
  end: ChannelEnd | undefined;
  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
  }

  async connect(replica?: Replica): Promise<void> {
    const { replicas } = this.#world;
    this.link?.cut();
    this.link = this.#world.connectClient(replica ?? replicas[Math.floor(this.#random() * replicas.length)]!);
    await this.link.greeted;
  }

  /** Resumes whenever it is cut, as labctl does. */
  async keepUp(end: ChannelEnd): Promise<void> {
    let over = false;
    void end.closed.then(() => (over = true));
    while (!over) {
      if (end.isCut) {
        if (this.link?.near.isUp !== true) await this.connect();
        if (this.link?.near.isUp === true) {
          const given = setTimeout(() => this.link?.cut(), 200);
          await end.resumeOn(this.link.near, { token });
          clearTimeout(given);
        }
      }
      await tick();
    }
  }
}

/** Records every relay's parts; consumes late when `lags`. */
function tapMaker(parts: Part[], lags: boolean, random: () => number) {
  return (relay: () => { tapConsumed(): void }): RelayTap => {
    const consumed = [0, 0, 0];
    return {
      begin: (stream, offset) => void (consumed[stream] = offset),
      data: (stream, bytes, offset) => {
        parts.push({ stream, offset, bytes: Buffer.from(bytes) });
        const upTo = offset + bytes.length;
        if (!lags || random() < 0.5) consumed[stream] = upTo;
        else {
          void tick().then(() => {
            consumed[stream] = Math.max(consumed[stream]!, upTo);
            relay().tapConsumed();
          });
        }
      },
      consumed: (stream) => consumed[stream]!,
    };
  };
}

/** Lays the recorded parts over each other: no hole, no difference where they overlap. */
function joined(parts: Part[], stream: StreamId, size: number): Buffer {
  const whole = Buffer.alloc(size);
  const known = new Uint8Array(size);
  for (const part of parts.filter((one) => one.stream === stream)) {
    for (const [index, byte] of part.bytes.entries()) {
      const at = part.offset + index;
      if (known[at] === 1 && whole[at] !== byte) throw new Error(`the recording disagrees at ${at}`);
      whole[at] = byte;
      known[at] = 1;
    }
  }
  const hole = known.indexOf(0);
  if (hole !== -1) throw new Error(`the recording of stream ${stream} has a hole at ${hole}`);
  return whole;
}

const window = 256 * 1024;

/** P4: nothing holds more than its windows, whatever was cut. */
function assertBounds(world: World, client: ChannelEnd): void {
  for (const end of [client, world.agentEnd]) expect(end?.memoryBytes ?? 0).toBeLessThan(3.3 * window);
  for (const replica of world.replicas) {
    for (const relay of replica.relays.values()) expect(relay.queuedBytes).toBeLessThanOrEqual(3 * window);
  }
}

type Run = { seed: number; cuts: number; record: boolean };

/** Cuts something at random: the client's link, the agent's, both, or kills a replica. */
async function cutOnce(world: World, client: Client, random: () => number): Promise<void> {
  for (let turns = Math.floor(random() * 25); turns > 0; turns--) await tick();
  const kind = random();
  const { replicas } = world;
  const pick = () => replicas[Math.floor(random() * replicas.length)]!;
  if (kind < 0.4) client.link?.cut();
  else if (kind < 0.75) {
    for (const replica of replicas) replica.agent?.cut();
    world.connectAgent(pick());
  } else if (kind < 0.85) {
    for (const replica of replicas) replica.peer?.cut();
  } else {
    const hadAgent = replicas.find((one) => one.agent?.far.isUp === true);
    const killed = pick();
    const fresh = world.kill(killed);
    client.link?.cut();
    if (killed === hadAgent) world.connectAgent(random() < 0.5 ? fresh : pick());
  }
  cutsDone++;
}

async function runOne({ seed, cuts, record }: Run): Promise<void> {
  const random = seeded(seed);
  const world = new World(2, random);
  const parts: Part[] = [];
  if (record) world.tapFor = tapMaker(parts, random() < 0.5, random);
  const [input, output, errors] = [someBytes(300_000), someBytes(600_000), someBytes(50_000)];
  const code = Math.floor(random() * 255) + 1;
  const [gotIn, gotOut, gotErr] = [reader(random), reader(random), reader(random)];
  let agentEnding: Promise<ChannelEnding> | undefined;
  world.onAgentOpen = (end) => {
    agentEnding = end.closed;
    const inputOver = new Promise<void>((resolve) => {
      end.handle({ data: (_stream, bytes) => gotIn.take(bytes), eof: () => resolve() });
    });
    void Promise.all([send(end, 1, output, random), send(end, 2, errors, random), inputOver]).then(() => {
      const bytes = { in: end.received.in, out: output.length, err: errors.length };
      end.sendExit({ code, signal: null, core: false, timedOut: false, drained: true, bytes });
      end.close('ok');
    });
  };
  world.connectAgent(world.replicas[0]!);
  const client = new Client(world, random);
  await world.replicas[0]!.agent?.greeted;
  await client.connect(world.replicas[0]);
  const end = ChannelEnd.open(client.link!.near, execOpen);
  const exits: Exit[] = [];
  end.handle({
    data: (stream, bytes) => (stream === 1 ? gotOut : gotErr).take(bytes),
    exit: (exit) => exits.push(exit),
  });
  await end.opened;
  void send(end, 0, input, random).catch(() => {});
  const resumed = client.keepUp(end);
  let over = false;
  void end.closed.then(() => (over = true));
  for (let done = 0; done < cuts && !over; done++) {
    await cutOnce(world, client, random);
    assertBounds(world, end);
  }
  const ending = await end.closed;
  await resumed;
  expect({ seed, ending, faults: world.faults }).toEqual({ seed, ending: { reason: 'ok', text: '' }, faults: [] });
  expect(exits.map((exit) => exit.code)).toEqual([code]);
  expect(gotIn.all().equals(input), `in of seed ${seed}`).toBe(true);
  expect(gotOut.all().equals(output), `out of seed ${seed}`).toBe(true);
  expect(gotErr.all().equals(errors), `err of seed ${seed}`).toBe(true);
  if (record)
    for (const [stream, sent] of [
      [1, output],
      [2, errors],
    ] as const)
      expect(joined(parts, stream, sent.length).equals(sent)).toBe(true);
  expect(agentEnding).toBeDefined();
}

test(
  `P3, HB-6: ${cutsWanted} random cuts and killed replicas lose, double and invent nothing`,
  async () => {
    for (let seed = firstSeed; cutsDone < cutsWanted; seed++) await runOne({ seed, cuts: 15, record: seed % 2 === 0 });
  },
  { timeout: 600_000 },
);

/** The agent's process dies in the middle and comes back without its sessions. */
async function dieOnce(seed: number): Promise<{ exits: number; reason: string }> {
  const random = seeded(seed);
  const world = new World(2, random);
  world.onAgentOpen = (end) => {
    end.handle({});
    void send(end, 1, someBytes(400_000), random).catch(() => {});
  };
  const [replica] = world.replicas;
  world.connectAgent(replica!);
  await replica!.agent?.greeted;
  const client = new Client(world, random);
  await client.connect(replica);
  const end = ChannelEnd.open(client.link!.near, execOpen);
  let exits = 0;
  const { take } = reader(random);
  end.handle({ data: (_stream, bytes) => take(bytes), exit: () => void exits++ });
  await end.opened;
  const resumed = client.keepUp(end);
  await cutOnce(world, client, random);
  world.agentEnd = undefined;
  for (const one of world.replicas) one.agent?.cut();
  world.connectAgent(world.replicas[Math.floor(random() * 2)]!);
  const { reason } = await end.closed;
  await resumed;
  return { exits, reason };
}

test('P3: an agent that dies is never an exit, and the client learns that the session is gone', async () => {
  for (let seed = 1; seed <= 40; seed++)
    expect({ seed, ...(await dieOnce(seed)) }).toEqual({ seed, exits: 0, reason: 'no-session' });
}, 60_000);

afterAll(() => {
  expect(cutsDone).toBeGreaterThanOrEqual(cutsWanted);
});
