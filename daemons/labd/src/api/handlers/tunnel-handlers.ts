/** The hub of the tunnel (tunnel 2.9). */
import { withExposure } from '@labmesh/tunnel/device/with-exposure';
import type { Verb } from '@labmesh/wire/fleet/access-words';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import { exportPeer } from '../../tunnel/export-peer.ts';
import type { Policies } from '../../access/policies.ts';
import type { TunnelPeerRow } from '../../nodes/node-tunnel.ts';
import type { TunnelDesk } from '../../tunnel/tunnel-desk.ts';
import type { Call, HandlersOf } from '../handler.ts';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';

type Names =
  | 'get-tunnel'
  | 'get-tunnel-key'
  | 'rotate-tunnel'
  | 'list-tunnel-peers'
  | 'get-tunnel-peer'
  | 'create-tunnel-peer'
  | 'update-tunnel-peer'
  | 'delete-tunnel-peer'
  | 'exchange-tunnel-peer'
  | 'cut-tunnel-peer'
  | 'trust-tunnel-peer'
  | 'export-tunnel-peer';

type Noting = Pick<Call<FleetOperation>, 'note'>;
type Acting = Pick<Call<FleetOperation>, 'caller' | 'subject' | 'may' | 'params'>;

const noteOf = (
  { note }: Noting,
  { id, name }: Pick<TunnelPeer, 'id' | 'name'>,
  details: Record<string, unknown> = {},
) => note({ resource: `tunnel/${name}`, resourceId: id, details });

export type TunnelHandlerParts = { tunnel: TunnelDesk; policies: Policies };

/** The peer that a path names, judged by its name (RB-5); an unknown one by what was asked for. */
async function peerFor(call: Acting, { tunnel }: TunnelHandlerParts, verb: Verb): Promise<TunnelPeerRow> {
  const ref = call.params['id'] ?? '';
  const row = await tunnel.row(call.caller, ref).catch((error: unknown) => {
    call.may(verb, { kind: 'tunnels', name: ref });
    throw error;
  });
  call.may(verb, { kind: 'tunnels', name: row.name });
  return row;
}

/** The peers, or nodes of other hubs, that a caller may know of (AP-3). */
const shown = <T extends { name: string }>(
  peers: readonly T[],
  { subject }: Pick<Acting, 'subject'>,
  { policies }: TunnelHandlerParts,
  verb: 'get' | 'list',
) => peers.filter(({ name }) => policies.decide(subject, verb, { kind: 'tunnels', name }).allowed);

/** The hub, with what of it the caller may know. */
function viewFor(call: Pick<Acting, 'subject'>, parts: TunnelHandlerParts): TunnelView {
  const view = withExposure(parts.tunnel.view());
  const peers = shown(view.peers, call, parts, 'get');
  return { ...view, peers, ...(view.relayed && { relayed: shown(view.relayed, call, parts, 'get') }) };
}

export function tunnelHandlers(parts: TunnelHandlerParts): HandlersOf<Names> {
  const { tunnel } = parts;
  return {
    'get-tunnel': async (call) => viewFor(call, parts),
    'get-tunnel-key': async (call) => {
      const { bytes, fingerprint } = tunnel.key();
      const headers = { 'content-type': 'application/octet-stream', etag: `"${fingerprint}"` };
      if (call.headers.get('if-none-match') === headers.etag) return new Response(null, { status: 304, headers });
      return new Response(bytes.slice(), { headers });
    },
    'rotate-tunnel': async (call) => {
      const { now } = call.body;
      const rotation = await tunnel.rotate(now);
      const { phase, oldSha256, newSha256 } = rotation;
      call.note({ resource: 'tunnel/hub', details: { phase, oldSha256, newSha256, now } });
      return rotation;
    },
    'list-tunnel-peers': async (call) => {
      const { limit, cursor } = call.query;
      const rest = shown(tunnel.peers(), call, parts, 'list').filter(({ name }) => name > (cursor ?? ''));
      const items = rest.slice(0, limit);
      return { items, nextCursor: rest.length > limit ? (items.at(-1)?.name ?? null) : null };
    },
    'get-tunnel-peer': async (call) => tunnel.peer(call.caller, (await peerFor(call, parts, 'get')).id),
    'create-tunnel-peer': async (call) => {
      call.may('create', { kind: 'tunnels', name: call.body.name });
      const peer = await tunnel.add(call.caller, call.body);
      noteOf(call, peer, { rosenpassSha256: peer.rosenpassSha256, address: peer.address });
      return peer;
    },
    'update-tunnel-peer': async (call) => {
      const { requirePq } = call.body;
      const { id } = await peerFor(call, parts, 'update');
      const peer = await tunnel.update(call.caller, id, requirePq);
      noteOf(call, peer, { requirePq });
      return peer;
    },
    'delete-tunnel-peer': async (call) => {
      noteOf(call, await tunnel.remove(call.caller, (await peerFor(call, parts, 'delete')).id));
      return { ok: true };
    },
    'exchange-tunnel-peer': async (call) => {
      const { id } = await peerFor(call, parts, 'update');
      const result = await tunnel.exchange(call.caller, id);
      noteOf(call, result.peer, { ok: result.ok });
      return result;
    },
    'cut-tunnel-peer': async (call) => {
      const { id } = await peerFor(call, parts, 'revoke');
      const peer = await tunnel.cut(call.caller, id);
      noteOf(call, peer);
      return peer;
    },
    'trust-tunnel-peer': async (call) => {
      const { sha256 } = call.body;
      const { id } = await peerFor(call, parts, 'approve');
      const peer = await tunnel.trust(call.caller, id, sha256);
      noteOf(call, peer, { oldSha256: peer.rosenpassSha256, newSha256: sha256 });
      return peer;
    },
    'export-tunnel-peer': async (call) => {
      const row = await peerFor(call, parts, 'export');
      noteOf(call, row, { format: call.query.format });
      return exportPeer(row, tunnel.address(), call.query.format);
    },
  };
}
