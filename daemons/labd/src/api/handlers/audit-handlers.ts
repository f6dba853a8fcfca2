/** The audit log: list, export, checkpoints, verification (AU-5, AU-7). */
import { page } from '@labmesh/store/page';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import { listAudit } from '../../audit/audit-query.ts';
import { shownRow } from '../../audit/audit-row.ts';
import type { AuditReader } from '../../audit/reading/audit-reader.ts';
import type { Store } from '@labmesh/store/store';
import type { AuditLog } from '../../audit/audit-log.ts';
import { requestMs } from '../dispatch.ts';
import type { HandlersOf } from '../handler.ts';
import { auditExport } from '../streams/audit-export.ts';
import { AuditStreams } from '../streams/audit-stream.ts';

type Names = 'list-audit' | 'export-audit' | 'list-checkpoints' | 'verify-audit' | 'stream-audit-log';

const ms = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));

export type AuditHandlerParts = { store: Store; audit: AuditLog; auditReader: AuditReader };

export function auditHandlers({ store, audit, auditReader }: AuditHandlerParts): HandlersOf<Names> {
  const streams = new AuditStreams(store);
  return {
    'list-audit': async (call) => {
      const { since, until, ...query } = call.query;
      const found = await listAudit(store, call.caller.principal, { ...query, since: ms(since), until: ms(until) });
      return { items: found.items.map(shownRow), nextCursor: found.nextCursor };
    },
    'export-audit': (call) => {
      const query = { since: ms(call.query.since), cursor: call.query.cursor };
      return auditExport(auditReader, call.caller.principal, query, call.signal);
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
      // Whoever asked has left, or was told that this takes too long.
      const over = AbortSignal.any([call.signal, AbortSignal.timeout(requestMs)]);
      const found = await auditReader.verify({ ...call.body, heads }, over);
      call.note({ details: { ok: found.ok, chains: found.chains.length } });
      return found;
    },
  };
}
