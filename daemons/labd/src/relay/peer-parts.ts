/**
 * Parts of recordings that other replicas keep (EX-9). They stay sealed on the way and are checked against their row by
 * whoever opens them, so a replica can only lack one, never change it. Over the listener for agents, as labd.
 */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Logger } from '@labmesh/kit/log';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import type { RecordingsTable } from '@labmesh/store/tables';
import type { Replicas } from '../hub/replicas.ts';

/** Without a byte for so long the other replica counts as away. */
const silentMs = 10_000;

export type PeerPartsOptions = {
  replicas: Replicas;
  /** Our certificate as it is now, with its chain, and the roots to trust, PEM. */
  identity: () => { keyPem: string; certPem: string; bundlePem: string };
  trustDomain: string;
  /** Unix ms by the clock of all replicas (RP-1). */
  now: () => number;
  log: Logger;
};

export class PeerParts {
  readonly #options: PeerPartsOptions;

  constructor(options: PeerPartsOptions) {
    this.#options = options;
  }

  /** Sealed bytes from the replica of the row; undefined when it is away, or has lost them. */
  readonly fetch = async (row: RecordingsTable): Promise<AsyncIterable<Uint8Array> | undefined> => {
    const { replicas, log } = this.#options;
    const peer = replicas.others().find(({ id }) => id === row.replica_id);
    const url = peer?.peerUrl ?? undefined;
    if (peer === undefined || url === undefined) return undefined;
    try {
      const response = await this.#ask(new URL(`/api/recordings/${row.id}/sealed`, url));
      if (response.statusCode === 200) return response;
      response.destroy();
      log.warn('another replica does not give a part of a recording', {
        replicaId: peer.id,
        recording: row.id,
        status: response.statusCode,
      });
    } catch (error) {
      log.warn('another replica does not give a part of a recording', {
        replicaId: peer.id,
        recording: row.id,
        error,
      });
    }
    return undefined;
  };

  /** A connection of its own: a kept one would go on with an old certificate. */
  #ask(url: URL): Promise<IncomingMessage> {
    const { identity, trustDomain, now } = this.#options;
    const { keyPem, certPem, bundlePem } = identity();
    const check = serverIdentityCheck({ bundlePem, trustDomain, now });
    return new Promise((resolve, reject) => {
      const asking = request(url, {
        agent: false,
        minVersion: 'TLSv1.3',
        servername: 'labd',
        ca: bundlePem,
        key: keyPem,
        cert: certPem,
        checkServerIdentity: (host, seen) => check(host, seen),
      });
      asking.setTimeout(silentMs, () => asking.destroy(new Error('no answer in time')));
      asking.once('response', resolve);
      asking.on('error', reject);
      asking.end();
    });
  }
}
