/** Usage per key and model: sums in memory, kept in the data folder, and the same event as log line and metric. */
import { join } from 'node:path';
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import { z } from 'zod';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, SavedFile } from '@labmesh/kit/saved-file';

/** Counts of one key and one model since the file began. */
const sums = z.object({
  key: z.string(),
  model: z.string(),
  requests: z.number(),
  errors: z.number(),
  promptTokens: z.number(),
  completionTokens: z.number(),
  cachedTokens: z.number(),
  /** Requests whose tokens we estimated. */
  estimated: z.number(),
});
export type UsageSums = z.infer<typeof sums>;
const stored = z.object({ version: z.literal(1), rows: z.array(sums) });

const saveDelayMs = 5_000;
/** Rows of (key, model) kept one by one; the rest is summed under `_other`. */
export const rowsMax = 10_000;

export class Meter {
  #file: SavedFile;
  #rows = new Map<string, UsageSums>();

  constructor(folder: string, onError: (error: unknown) => void) {
    const path = join(folder, 'usage.json');
    const render = () => `${JSON.stringify({ version: 1, rows: [...this.#rows.values()] })}\n`;
    this.#file = new SavedFile({ path, render, delayMs: saveDelayMs, onError });
    const text = readPrivateFile(path);
    if (text === undefined) return;
    const read = stored.safeParse(parseJson(text));
    if (!read.success) throw new Error(`${path} is damaged; move it away to begin with empty sums`);
    for (const row of read.data.rows) this.#rows.set(`${row.key}\n${row.model}`, row);
  }

  /** Books one request. */
  book(key: string, model: string, outcome: RelayOutcome): void {
    const row = this.#row(key, model);
    row.requests++;
    if (outcome.status >= 400 || outcome.code !== undefined) row.errors++;
    const { usage } = outcome;
    if (usage !== undefined) {
      row.promptTokens += usage.promptTokens;
      row.completionTokens += usage.completionTokens;
      row.cachedTokens += usage.cachedTokens;
      if (usage.estimated) row.estimated++;
    }
    this.#file.saveSoon();
  }

  /** A model's name is known here only after it was resolved, so the rows are bounded by keys × known models. */
  #row(key: string, model: string): UsageSums {
    const id = `${key}\n${model}`;
    let row = this.#rows.get(id);
    if (row !== undefined) return row;
    if (this.#rows.size >= rowsMax && model !== '_other') return this.#row(key, '_other');
    row = { key, model, requests: 0, errors: 0, promptTokens: 0, completionTokens: 0, cachedTokens: 0, estimated: 0 };
    this.#rows.set(id, row);
    return row;
  }

  /** Sums by key id or by model. */
  by(what: 'key' | 'model'): Array<Omit<UsageSums, 'key' | 'model'> & { id: string }> {
    const out = new Map<string, Omit<UsageSums, 'key' | 'model'> & { id: string }>();
    for (const { key, model, ...counts } of this.#rows.values()) {
      const id = what === 'key' ? key : model;
      const sum = out.get(id);
      if (sum === undefined) out.set(id, { id, ...counts });
      else for (const name of Object.keys(counts) as Array<keyof typeof counts>) sum[name] += counts[name];
    }
    return [...out.values()];
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
