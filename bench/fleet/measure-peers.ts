/**
 * What a hop between replicas takes: the same forward from an agent on B, asked of B, and of A which relays it through
 * its peer link. Two replicas over one PostgreSQL.
 */
import { join } from 'node:path';
import { startTwoReplicas } from '../../tests/harness/fleet/two-replicas.ts';
import { startAgent } from '../../tests/harness/start-labd.ts';
import { postgresAvailable } from '../../tests/harness/start-postgres.ts';
import { median } from '../percentile.ts';
import { BenchClient, enrolUser } from './bench-client.ts';
import { readAll, startHelper } from './measure-streams.ts';
import { otherCore } from './stage.ts';

const rounds = 3;
const bytes = 200_000_000;
const agentName = 'bench-peer';
const knownMs = 10_000;

/** A knows of the agent and of the user a moment after B does. */
async function whenKnown(client: BenchClient): Promise<void> {
  const until = performance.now() + knownMs;
  for (;;) {
    try {
      await client.exec(agentName, ['true']);
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await Bun.sleep(100);
    }
  }
}

/** MB/s straight and by the peer; nothing where PostgreSQL is missing. Not pinned: five processes share what is there. */
export async function measurePeers(): Promise<Record<string, number>> {
  if (postgresAvailable() !== undefined) return {};
  await using two = await startTwoReplicas({ redis: false });
  await using _agent = await startAgent(two.b, agentName, { logLevel: 'info' });
  const user = await enrolUser(two.b, 'bench');
  await using direct = await BenchClient.connect(two.b.api, user);
  await using peer = await BenchClient.connect(two.a.api, user);
  const source = await startHelper([join(import.meta.dir, 'byte-source.ts'), 'listen', String(bytes)], otherCore);
  using _source = { [Symbol.dispose]: () => source.child.kill('SIGKILL') };
  const forward = { kind: 'forward', server: agentName, host: '127.0.0.1', port: source.port };
  const rates: Record<'direct' | 'peer', number[]> = { direct: [], peer: [] };
  await whenKnown(direct);
  await whenKnown(peer);
  for (let round = 0; round < rounds; round++) {
    for (const [name, client] of [
      ['direct', direct],
      ['peer', peer],
    ] as const) {
      const from = performance.now();
      const got = await readAll(client, forward);
      if (got < bytes) throw new Error(`${name} gave ${got} of ${bytes} bytes`);
      rates[name].push(got / 1_000 / (performance.now() - from));
    }
  }
  return { stream_mb_s_direct: median(rates.direct), stream_mb_s_peer: median(rates.peer) };
}
