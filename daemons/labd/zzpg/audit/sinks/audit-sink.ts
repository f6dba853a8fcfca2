/** Where audit rows go beside the store (AU-6). A sink takes batches in order and says when it has them. */
import type { AuditRecord } from '../audit-row.ts';
import type { Checkpoint } from '../checkpoints.ts';

/** Rows of one chain in order of seq, or checkpoints in the order they were made; one of both is empty. */
export type SinkBatch = { rows: readonly AuditRecord[]; checkpoints: readonly Checkpoint[] };

export interface AuditSink extends AsyncDisposable {
  /** Key of its cursors: another name starts from the beginning. */
  readonly name: string;
  /**
   * Takes a batch. Resolves when it is as safe there as the sink can tell; a batch may come again after a failure or a
   * restart, so receivers go by (chain, seq). Stops when the signal ends it.
   */
  deliver(batch: SinkBatch, signal: AbortSignal): Promise<void>;
}

/** A checkpoint as one line of JSON. */
export const checkpointLine = ({ body, signature, createdAt, replicaId }: Checkpoint): string =>
  JSON.stringify({ type: 'checkpoint', time: new Date(createdAt).toISOString(), replicaId, body, signature });
