/**
 * Audit rows by syslog: RFC 5424 messages over TLS with octet counting (RFC 5425). Facility 13 (log audit); severity 6
 * for ok, 4 for denied, 3 for error. The message is the row as one line of JSON, in ASCII, so that no receiver's idea
 * of character sets touches it.
 *
 * Syslog has no receipt: a batch counts as taken when the kernel has it, so a connection that breaks just then can lose
 * it. Where every row matters, the file or the webhook is the better sink.
 */
import { hostname } from 'node:os';
import { connect, type TLSSocket } from 'node:tls';
import { type AuditRecord, recordLine } from '../audit-row.ts';
import type { Checkpoint } from '../checkpoints.ts';
import { type AuditSink, checkpointLine, type SinkBatch } from './audit-sink.ts';

export type SyslogOptions = {
  host: string;
  port: number;
  /** PEM of the receiver's CA; absent: the system's. */
  ca?: string;
  /** Client certificate and key, PEM. */
  cert?: string;
  key?: string;
};

const facility = 13;
const severities: Record<string, number> = { ok: 6, denied: 4, error: 3 };

/** A header field: printable ASCII without blanks, `-` for nothing. */
const field = (text: string, charsMax: number) => text.replace(/[^\x21-\x7e]/g, '_').slice(0, charsMax) || '-';
const ascii = (json: string) =>
  json.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

const message = (severity: number, at: number, id: string, text: string): string => {
  const head = `<${facility * 8 + severity}>1 ${new Date(at).toISOString()} ${field(hostname(), 255)}`;
  return `${head} labd ${process.pid} ${field(id, 32)} - ${ascii(text)}`;
};

export const rowMessage = (row: AuditRecord): string =>
  message(severities[row.result] ?? 3, row.at, row.action, recordLine(row));
export const checkpointMessage = (one: Checkpoint): string =>
  message(5, one.createdAt, 'audit.checkpoint', checkpointLine(one));

/** `LENGTH SP MESSAGE`; all ASCII, so characters are octets. */
const frame = (text: string) => `${text.length} ${text}`;

export class SyslogSink implements AuditSink {
  readonly name: string;
  readonly #options: SyslogOptions;
  #socket: TLSSocket | undefined;

  constructor(name: string, options: SyslogOptions) {
    this.name = name;
    this.#options = options;
  }

  async deliver({ rows, checkpoints }: SinkBatch, signal: AbortSignal): Promise<void> {
    const text = [...rows.map(rowMessage), ...checkpoints.map(checkpointMessage)].map(frame).join('');
    const socket = await this.#connected(signal);
    const done = Promise.withResolvers<void>();
    const fail = (error?: Error) => done.reject(error ?? new Error('the syslog receiver closed the connection'));
    const onClose = () => fail();
    const onAbort = () => fail(signal.reason as Error);
    socket.once('error', fail).once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      socket.write(text, (error) => (error ? fail(error) : done.resolve()));
      await done.promise;
    } catch (error) {
      // What was half sent must not be continued: the next batch gets a connection of its own.
      this.#drop();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail).off('close', onClose);
    }
  }

  async #connected(signal: AbortSignal): Promise<TLSSocket> {
    const open = this.#socket;
    if (open !== undefined && !open.destroyed && open.writable) return open;
    this.#drop();
    const { host, port, ca, cert, key } = this.#options;
    signal.throwIfAborted();
    const ready = Promise.withResolvers<void>();
    const trust = {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    };
    const socket = connect({ host, port, servername: host, minVersion: 'TLSv1.2', rejectUnauthorized: true, ...trust });
    this.#socket = socket;
    // A receiver says nothing; reading is how the end of the connection is noticed.
    socket.resume();
    socket.setKeepAlive(true, 30_000);
    const onAbort = () => ready.reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('secureConnect', ready.resolve).once('error', ready.reject);
    socket.once('close', () => ready.reject(new Error('the syslog receiver closed the connection')));
    // Errors between two batches show at the next one.
    socket.on('error', () => {});
    try {
      await ready.promise;
      if (!socket.authorized)
        throw new Error(`the syslog receiver is not trusted: ${String(socket.authorizationError)}`);
      return socket;
    } catch (error) {
      this.#drop();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.end();
    this.#drop();
  }
}
