/** What the running labmand tells and does: status, one exchange, another hub key, another own pair. */
import { isPostQuantum, peerLine, tunnelText } from '@labmesh/tunnel/tunnel-text';
import { exchangeResultSchema, tunnelViewSchema } from '@labmesh/wire/tunnel';
import { z } from 'zod';
import { type NodeStatus, nodeStatusSchema } from '../../admin/node-status.ts';
import { rotationSchema } from '../../tunnel/key-rotation.ts';
import { askLabmand, LabmandError } from '../ask-labmand.ts';
import { json, type Verb } from '../verb.ts';

const okSchema = z.object({ ok: z.literal(true) });
/** A new pair, up to three calls to the Conplane, an exchange. */
const rotateWaitMs = 115_000;

/** A tunnel goes on while its Conplane refuses this node, or shows another hub than the pinned one; that must not be missed. */
function registrationText(registration: NodeStatus['registration']): string {
  if (registration === null || registration.phase === 'registered') return '';
  const { phase, detail } = registration;
  return `WARNING    not registered: ${phase}${detail === null ? '' : `, ${detail}`}; what stands is the tunnel from before\n`;
}

export const status: Verb = async ({ flags, print }) => {
  const view = await askLabmand(flags.socket, { path: '/tunnel', output: tunnelViewSchema });
  const { registration } = await askLabmand(flags.socket, { path: '/node', output: nodeStatusSchema });
  if (flags.json) print(json({ ...view, registration }));
  else print(tunnelText(view, Date.now()) + registrationText(registration));
  return flags.check && !isPostQuantum(view) ? 1 : 0;
};

export const exchange: Verb = async ({ flags, print }) => {
  const call = { path: '/tunnel/exchange', method: 'POST', output: exchangeResultSchema } as const;
  const done = await askLabmand(flags.socket, call);
  if (flags.json) print(json(done));
  else print(done.ok ? `done in ${done.tookMs} ms: ${peerLine(done.peer, Date.now())}\n` : `failed: ${done.error}\n`);
  return done.ok ? 0 : 1;
};

/** K5: the operator has compared the fingerprint. */
export const trust: Verb = async ({ flags, words: [key], print }) => {
  if (key === undefined) throw new LabmandError('labman tunnel trust SHA256: the fingerprint is missing', 2);
  await askLabmand(flags.socket, { path: '/tunnel/trust', method: 'POST', body: { key }, output: okSchema });
  print('the hub may show that key from its next registration on\n');
  return 0;
};

/** K8. */
export const rotate: Verb = async ({ flags, print }) => {
  const call = { path: '/tunnel/rotate', method: 'POST', output: rotationSchema, waitMs: rotateWaitMs } as const;
  const done = await askLabmand(flags.socket, call);
  const { state, rosenpassSha256, trust: word, wireguard } = done;
  if (flags.json) print(json(done));
  else if (state === 'done') {
    print(`done: this node's Rosenpass key is ${rosenpassSha256}; the old one is deleted\n`);
    if (wireguard?.state === 'done') print(`its WireGuard key is ${wireguard.publicKey}; the old one is deleted\n`);
    else
      print(
        `its WireGuard key ${wireguard?.publicKey} is made, and takes over by itself once the hub is ready for it\n`,
      );
  } else if (state === 'registered') {
    print(`${rosenpassSha256} is registered; the old key goes with the first exchange, which has not ended yet\n`);
  } else {
    print(`the hub does not know ${rosenpassSha256} yet. Who looks after it runs:\n\n  ${word}\n\n`);
    print('then labman tunnel rotate again; until then the old key serves on\n');
  }
  return state === 'done' && wireguard?.state === 'done' ? 0 : 1;
};
