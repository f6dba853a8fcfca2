/** Audit rows as lines of JSON in a file (AU-6), 0600, synced after each batch. Whoever rotates it may rename it. */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { recordLine } from '../audit-row.ts';
import { type AuditSink, checkpointLine, type SinkBatch } from './audit-sink.ts';

export class FileSink implements AuditSink {
  readonly name: string;
  readonly #path: string;

  constructor(name: string, path: string) {
    this.name = name;
    this.#path = path;
  }

  async deliver({ rows, checkpoints }: SinkBatch): Promise<void> {
    const lines = [...rows.map(recordLine), ...checkpoints.map(checkpointLine)];
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    // Opened each time: after a rename the next batch starts the new file.
    const file = await open(this.#path, 'a', 0o600);
    try {
      const { size } = await file.stat();
      try {
        await file.writeFile(`${lines.join('\n')}\n`);
        await file.datasync();
      } catch (error) {
        // A full disk leaves half a line, which would spoil the next one.
        await file.truncate(size).catch(() => {});
        throw error;
      }
    } finally {
      await file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
