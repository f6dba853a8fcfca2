/** Bytes: through exec, recorded and not, through a forward and a copy, beside TLS in and TLS out without labmesh. */
import { join } from 'node:path';
import { connect } from 'node:tls';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { openSchema } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import type { RunningAgent, RunningLabd } from '../../tests/harness/start-labd.ts';
import { median } from '../percentile.ts';
import { pinned } from '../started-process.ts';
import { type BenchClient, windowBytesMax } from './bench-client.ts';
import { costOf, type FleetStage, labdCore, otherCore } from './stage.ts';

export type StreamParts = { client: BenchClient; labd: RunningLabd; agent: RunningAgent; stage: FleetStage };

const rounds = 3;
const bytes = 200_000_000;
const program = (name: string) => join(import.meta.dir, name);

/** `pid`: the process whose CPU counts. */
type Way = { pid: number; run: () => Promise<number> };
type Helper = { child: Bun.Subprocess<'ignore', 'pipe', 'inherit'>; port: number };

/** A program of this folder that says its port. */
export async function startHelper(words: readonly string[], core: number): Promise<Helper> {
  const command = pinned([process.execPath, ...words], core);
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' });
  const { value } = await child.stdout.getReader().read();
  return { child, port: (JSON.parse(new TextDecoder().decode(value)) as { port: number }).port };
}

/** Opens, reads to the end; gives the bytes that came. */
export async function readAll(client: BenchClient, wanted: Record<string, unknown>): Promise<number> {
  const open = openSchema.parse({ ...wanted, window: windowBytesMax });
  const end = ChannelEnd.open(client.link, open);
  let got = 0;
  end.handle({ data: (_stream, part) => void (got += part.length) });
  await end.opened;
  end.end(0);
  const ending = await end.closed;
  if (ending.reason !== 'ok') throw new Error(`${open.kind} ended: ${ending.reason} ${ending.text}`);
  return got;
}

/** The bytes of one pass through the raw copy. */
async function readRaw(port: number, caFile: string): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', ca: await Bun.file(caFile).text(), servername: 'localhost' });
  const words = [process.execPath, program('byte-source.ts'), 'push', String(bytes), String(port), caFile];
  const source = Bun.spawn(pinned(words, otherCore), { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' });
  let got = 0;
  socket.on('data', (part) => void (got += part.length));
  socket.once('secureConnect', () => socket.write('c'));
  await new Promise((resolve, reject) => socket.once('end', resolve).once('error', reject));
  socket.destroy();
  await source.exited;
  return got;
}

/** MB/s of each way, and the relay's CPU for each MB, ms. */
export async function measureStreams({ client, labd, agent, stage }: StreamParts): Promise<Record<string, number>> {
  const server = agent.hostname;
  const { caFile } = stage;
  const path = join(agent.folder, 'zeros');
  await Bun.spawn(['truncate', '-s', String(bytes), path]).exited;
  await using helpers = new AsyncDisposableStack();
  const owned = (one: Helper) => helpers.adopt(one, ({ child }) => child.kill('SIGKILL'));
  const source = owned(await startHelper([program('byte-source.ts'), 'listen', String(bytes)], otherCore));
  const raw = owned(await startHelper([program('raw-copy.ts'), join(stage.folder, 'data/identity.pem')], labdCore));
  const exec = { kind: 'exec', server, argv: ['head', '-c', String(bytes), '/dev/zero'] };
  const forward = { kind: 'forward', server, host: '127.0.0.1', port: source.port };
  const { pid } = labd.daemon;
  return await measureWays({
    exec: { pid, run: () => readAll(client, exec) },
    exec_unrecorded: { pid, run: () => readAll(client, { ...exec, noRecord: true }) },
    forward: { pid, run: () => readAll(client, forward) },
    copy: { pid, run: () => readAll(client, { kind: 'copy-out', server, path, transfer: uuidv7() }) },
    raw_tls: { pid: raw.child.pid, run: () => readRaw(raw.port, caFile) },
  });
}

/** In turns; medians. */
async function measureWays(ways: Record<string, Way>): Promise<Record<string, number>> {
  const found: Record<string, { mbPerS: number; cpuMsPerMb: number }[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, { pid, run }] of Object.entries(ways)) {
      let got = 0;
      const { cpuMs, wallMs } = await costOf(pid, async () => (got = await run()));
      if (got < bytes) throw new Error(`${name} gave ${got} of ${bytes} bytes`);
      (found[name] ??= []).push({ mbPerS: got / 1_000 / wallMs, cpuMsPerMb: (cpuMs / got) * 1_000_000 });
    }
  }
  const metrics: Record<string, number> = {};
  for (const [name, runs] of Object.entries(found)) {
    metrics[`stream_mb_s_${name}`] = median(runs.map(({ mbPerS }) => mbPerS));
    metrics[`stream_cpu_ms_per_mb_${name}`] = median(runs.map(({ cpuMsPerMb }) => cpuMsPerMb));
  }
  return metrics;
}
