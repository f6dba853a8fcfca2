/**
 * Who reads the audit log at length: verification, export, and the verification before pruning (AU-5, AU-7). In its own
 * thread where another connection can see the rows (ST-5), else here.
 */
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { ExportQuery } from '../audit-query.ts';
import type { ChainReport, VerifyReport, VerifyRequest } from '../verify/verify-chain.ts';

/** Lines of an export as they go out, and where to go on; no cursor: that was all. */
export type ExportPart = { bytes: Uint8Array; nextCursor: string | null };

/**
 * All reject with FleetErrors: AGENT_TIMEOUT when the signal ended it, RATE_LIMITED when too many read at once,
 * STORE_UNAVAILABLE, INTERNAL when the thread was lost.
 */
export interface AuditReader extends AsyncDisposable {
  /** @throws FleetError also VALIDATION_FAILED for a file without checkpoints. */
  verify(request: VerifyRequest, signal: AbortSignal): Promise<VerifyReport>;
  /** One chain, up to `to`, from its stub on. */
  verifyChain(chain: string, to: number, signal: AbortSignal): Promise<ChainReport>;
  /** One part. @throws FleetError also VALIDATION_FAILED for a cursor of another list. */
  exportPart(principal: Principal, query: ExportQuery, signal: AbortSignal): Promise<ExportPart>;
}
