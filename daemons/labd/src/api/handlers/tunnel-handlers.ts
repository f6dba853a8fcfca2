/** The hub of the tunnel (tunnel 2.9). */
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import { exportPeer } from '../../tunnel/export-peer.ts';
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

type Noting = Pick<Call<FleetOperation>, 'note' | 'params'>;

const refOf = ({ params }: Noting) => params['id'] ?? '';
const noteOf = (
  { note }: Noting,
  { id, name }: Pick<TunnelPeer, 'id' | 'name'>,
  details: Record<string, unknown> = {},
) => note({ resource: `tunnel/${name}`, resourceId: id, details });

export type TunnelHandlerParts = { tunnel: TunnelDesk };

export function tunnelHandlers({ tunnel }: TunnelHandlerParts): HandlersOf<Names> {
  return {
    'get-tunnel': async () => tunnel.view(),
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
    'list-tunnel-peers': async ({ query }) => {
      const { limit, cursor } = query;
      const rest = tunnel.peers().filter(({ name }) => cursor === undefined || name > cursor);
      const items = rest.slice(0, limit);
      return { items, nextCursor: rest.length > limit ? (items.at(-1)?.name ?? null) : null };
    },
    'get-tunnel-peer': (call) => tunnel.peer(call.caller, refOf(call)),
    'create-tunnel-peer': async (call) => {
      const peer = await tunnel.add(call.caller, call.body);
      noteOf(call, peer, { rosenpassSha256: peer.rosenpassSha256, address: peer.address });
      return peer;
    },
    'update-tunnel-peer': async (call) => {
      const { requirePq } = call.body;
      const peer = await tunnel.update(call.caller, refOf(call), requirePq);
      noteOf(call, peer, { requirePq });
      return peer;
    },
    'delete-tunnel-peer': async (call) => {
      noteOf(call, await tunnel.remove(call.caller, refOf(call)));
      return { ok: true };
    },
    'exchange-tunnel-peer': async (call) => {
      const result = await tunnel.exchange(call.caller, refOf(call));
      noteOf(call, result.peer, { ok: result.ok });
      return result;
    },
    'cut-tunnel-peer': async (call) => {
      const peer = await tunnel.cut(call.caller, refOf(call));
      noteOf(call, peer);
      return peer;
    },
    'trust-tunnel-peer': async (call) => {
      const { sha256 } = call.body;
      const peer = await tunnel.trust(call.caller, refOf(call), sha256);
      noteOf(call, peer, { oldSha256: peer.rosenpassSha256, newSha256: sha256 });
      return peer;
    },
    'export-tunnel-peer': async (call) => {
      const row = await tunnel.row(call.caller, refOf(call));
      noteOf(call, row, { format: call.query.format });
      return exportPeer(row, tunnel.address(), call.query.format);
    },
  };
}
