/** The audit log: list, export, checkpoints, verification (AU-5, AU-7). */
import { page } from '@labmesh/store/page';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import { exportAudit, listAudit } from '../../audit/audit-query.ts';
import { shownRow } from '../../audit/audit-row.ts';
import { verifyAudit } from '../../audit/verify/verify-chain.ts';
import type { Store } from '@labmesh/store/store';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { HandlersOf } from '../handler.ts';
import { AuditStreams } from '../streams/audit-stream.ts';

type Names = 'list-audit' | 'export-audit' | 'list-checkpoints' | 'verify-audit' | 'stream-audit-log';

const ms = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));

export function auditHandlers({ store, audit }: { store: Store; audit: AuditLog }): HandlersOf<Names> {
  const streams = new AuditStreams(store);
  return {
    'list-audit': async (call) => {
      const { since, until, ...query } = call.query;
      const found = await listAudit(store, call.caller.principal, { ...query, since: ms(since), until: ms(until) });
      return { items: found.items.map(shownRow), nextCursor: found.nextCursor };
    },
    'export-audit': async (call) => {
      const { principal } = call.caller;
      const since = ms(call.query.since);
      let { cursor } = call.query;
      let isLast = false;
      const encoder = new TextEncoder();
      const body = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          if (isLast) return controller.close();
          const { lines, nextCursor } = await exportAudit(store, principal, { since, cursor });
          isLast = nextCursor === null;
          cursor = nextCursor ?? undefined;
          controller.enqueue(encoder.encode(lines.map((line) => `${line}\n`).join('')));
        },
      });
      return new Response(body, { headers: { 'Content-Type': 'application/x-ndjson' } });
    },
    'stream-audit-log': (call) => streams.open(call),
    'list-checkpoints': async (call) => {
      const { limit, cursor } = call.query;
      const by = [
        { column: 'created_at', type: 'integer' },
        { column: 'id', type: 'text' },
      ] as const;
      const found = await store.read(call.caller.principal, (db) =>
        page(db.selectFrom('audit_checkpoints').selectAll(), {
          list: 'checkpoints',
          by,
          descending: true,
          limit,
          cursor,
        }),
      );
      const items = found.items.map((row) => ({
        id: row.id,
        at: timeText(row.created_at),
        replicaId: row.replica_id,
        body: row.body,
        signature: row.signature,
      }));
      return { items, nextCursor: found.nextCursor };
    },
    'verify-audit': async (call) => {
      const heads = new Map([[audit.chain, audit.head()]]);
      const found = await verifyAudit({ store, keys: audit.keys }, { ...call.body, heads });
      call.note({ details: { ok: found.ok, chains: found.chains.length } });
      return found;
    },
  };
}
