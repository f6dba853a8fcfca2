import { expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { Metrics } from '@labmesh/kit/metrics';
import { waitFor } from '../../../../tests/harness/fleet/look.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { openRelayRig } from '../tunnel/testing/relay-rig.ts';
import { composeNodeRelay } from './compose-node-relay.ts';

const others = { peers: { reach: () => Promise.resolve(undefined) }, replicas: { others: () => [] } };

test.each([true, false])(
  'H6: nodes of other hubs are answered here, unless the operator keeps the ports for himself: relay = %s',
  async (tunnelRelay) => {
    await using stack = new AsyncDisposableStack();
    const rig = stack.use(await openRelayRig());
    const { address } = await rig.join(1);
    const asked: ReadonlySet<string>[] = [];
    const hub = {
      tunnelAddress: `${rig.net}.1`,
      peerAddress: () => undefined,
      answerFor: (addresses: ReadonlySet<string>) => {
        asked.push(addresses);
        return Promise.resolve(addresses);
      },
    };
    const { store, clock } = rig.ground;
    const audit = { note: () => undefined } as unknown as AuditLog;
    const parts = { options: { tunnelRelay }, replicaId: 'replica-2', audit, metrics: new Metrics() };
    const relay = composeNodeRelay({ ...parts, store, clock, log: silentLogger }, () => hub, stack);
    relay.follow(others, stack);
    if (tunnelRelay) {
      await waitFor(() => relay.relayed().length === 1, 20_000);
      relay.taken(address);
      expect(relay.relayed()).toEqual([]);
    } else {
      // What an earlier run has left at the interface is taken back, and nothing more is asked for.
      expect([asked, relay.relayed()]).toEqual([[new Set()], []]);
    }
  },
);
