/**
 * Audit rows by signed HTTP POST (AU-6). Body: `{"sink", "rows": [...], "checkpoints": [...]}`. The receiver checks
 *
 *     Labmesh-Signature: t=<Unix s>,v1=<hex HMAC-SHA-256(secret, t + "." + body)>
 *
 * and refuses old times. A 2xx says that the batch is safe; anything else, a redirect included, brings it again.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import { recordLine } from '../audit-row.ts';
import { type AuditSink, checkpointLine, type SinkBatch } from './audit-sink.ts';

export type WebhookOptions = { url: string; secret: string | Uint8Array; clock: Clock };

/** The header's value for a body. */
export function webhookSignature(secret: string | Uint8Array, atMs: number, body: string): string {
  const time = Math.floor(atMs / 1_000);
  return `t=${time},v1=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`;
}

export class WebhookSink implements AuditSink {
  readonly name: string;
  readonly #options: WebhookOptions;

  constructor(name: string, options: WebhookOptions) {
    this.name = name;
    this.#options = options;
  }

  async deliver({ rows, checkpoints }: SinkBatch, signal: AbortSignal): Promise<void> {
    const { url, secret, clock } = this.#options;
    const list = (lines: readonly string[]) => `[${lines.join(',')}]`;
    const body = `{"sink":${JSON.stringify(this.name)},"rows":${list(rows.map(recordLine))},"checkpoints":${list(checkpoints.map(checkpointLine))}}`;
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'labmesh-signature': webhookSignature(secret, clock.wall(), body),
      },
      body,
      signal,
    });
    // The answer's text says nothing to us, and could be endless.
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
