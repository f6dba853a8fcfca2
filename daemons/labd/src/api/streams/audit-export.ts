/** The audit log as lines of JSON (AU-7), read a part at a time as the client takes them. */
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { ExportQuery } from '../../audit/audit-query.ts';
import type { AuditReader } from '../../audit/reading/audit-reader.ts';

/**
 * The first part is read before the answer begins, so that what is wrong with the query is told with its status.
 * @throws FleetError as `AuditReader.exportPart` does.
 */
export async function auditExport(
  reader: AuditReader,
  principal: Principal,
  query: ExportQuery,
  signal: AbortSignal,
): Promise<Response> {
  const gone = new AbortController();
  const ended = AbortSignal.any([signal, gone.signal]);
  const first = await reader.exportPart(principal, query, ended);
  let cursor = first.nextCursor;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(first.bytes),
    pull: async (controller) => {
      if (cursor === null) return controller.close();
      const { bytes, nextCursor } = await reader.exportPart(principal, { ...query, cursor }, ended);
      cursor = nextCursor;
      controller.enqueue(bytes);
    },
    cancel: () => gone.abort(),
  });
  return new Response(body, { headers: { 'Content-Type': 'application/x-ndjson' } });
}
