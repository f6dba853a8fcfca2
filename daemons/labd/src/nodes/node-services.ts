/** What labd does for nodes, in one place: tokens, registration, heartbeats, leaving. */
import { join } from 'node:path';
import { system } from '@labmesh/wire/fleet/principal';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import type { AddressRange } from '../settings/address-range.ts';
import { Heartbeats } from './heartbeats.ts';
import { NodeLifecycle } from './node-lifecycle.ts';
import { NodeTokens, type NodeTokensParts } from './tokens/node-tokens.ts';
import type { NodeTunnel } from './node-tunnel.ts';
import { PublicKeyFiles } from './public-key-files.ts';
import { NodeRegistry } from './register-node.ts';

export type NodeServicesParts = Pick<World, 'store' | 'clock'> & {
  options: Pick<LabdOptions, 'conplaneHeartbeatS' | 'conplaneStaleS' | 'tunnelRequirePq'>;
  dataDir: string;
  replicaId: string;
  range: AddressRange;
  tunnel: NodeTunnel;
  target: NodeTokensParts['target'];
};

export type NodeServices = {
  tokens: NodeTokens;
  registry: NodeRegistry;
  heartbeats: Heartbeats;
  lifecycle: NodeLifecycle;
  /** Public keys of nodes and of foreign peers. */
  keyFiles: PublicKeyFiles;
  staleMs: number;
  /** Removes key files that no row names any more; run by a job. */
  sweepKeys(): Promise<void>;
};

const worker = system('node-keys');
/** Between a key's file and the row that names it. */
const keptMs = 3_600_000;

export function nodeServices(parts: NodeServicesParts, stack: AsyncDisposableStack): NodeServices {
  const { store, clock, options, dataDir, replicaId, range, tunnel, target } = parts;
  const keyFiles = new PublicKeyFiles(join(dataDir, 'keys'));
  const { conplaneHeartbeatS: heartbeatS, tunnelRequirePq: requirePq } = options;
  return {
    tokens: new NodeTokens({ store, clock, target }),
    registry: new NodeRegistry({ store, clock, files: keyFiles, tunnel, range, replicaId, heartbeatS, requirePq }),
    heartbeats: stack.use(new Heartbeats({ store, clock, tunnel })),
    lifecycle: new NodeLifecycle({ store, clock, tunnel }),
    keyFiles,
    staleMs: options.conplaneStaleS * 1_000,
    async sweepKeys() {
      const used = await store.read(worker, async (db) => {
        const nodes = await db.selectFrom('nodes').select('rosenpass_sha256 as sha').execute();
        const peers = await db.selectFrom('tunnel_peers').select('rosenpass_sha256 as sha').execute();
        return new Set([...nodes, ...peers].flatMap(({ sha }) => sha ?? []));
      });
      // The hub's own keys lie among them.
      const hub = tunnel.conplane();
      for (const own of [hub?.rosenpassSha256, hub?.nextRosenpassSha256]) if (own !== undefined) used.add(own);
      await keyFiles.sweep(used, keptMs);
    },
  };
}
