/**
 * Results of tools that were had a moment ago (AR18): of one tenant, one tool and equal arguments, and successes alone. An
 * error may be gone with the next call.
 */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Clock } from '@labmesh/kit/clock';

/** Of all entries together, two a UTF-16 unit; the one that was used longest ago goes first. */
const bytesMost = 64 * 1024 * 1024;

export type ToolCacheBounds = { entriesMost: number; ttlMs: number; bytesMost?: number };

/** Whose call it is, and of what. @throws AttestRefused for arguments that JSON cannot hold */
export const toolKey = (call: { tenant: string; tool: string; args: Readonly<Record<string, unknown>> }): string =>
  sha256Hex(canonicalBytes(call));

export class ToolCache {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #bounds: Required<ToolCacheBounds>;
  readonly #entries = new Map<string, { text: string; until: number }>();
  #bytes = 0;

  constructor(bounds: ToolCacheBounds, clock: Pick<Clock, 'now'>) {
    this.#bounds = { bytesMost, ...bounds };
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): string | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#delete(key);
    if (entry.until <= this.#clock.now()) return undefined;
    // Last again in the order of use.
    this.#add(key, entry);
    return entry.text;
  }

  put(key: string, text: string): void {
    const { entriesMost, ttlMs, bytesMost: most } = this.#bounds;
    this.#delete(key);
    if (ttlMs <= 0 || entriesMost === 0 || sizeOf(text) > most) return;
    this.#add(key, { text, until: this.#clock.now() + ttlMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entriesMost && this.#bytes <= most) return;
      this.#delete(oldest);
    }
  }

  #add(key: string, entry: { text: string; until: number }): void {
    this.#entries.set(key, entry);
    this.#bytes += sizeOf(entry.text);
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= sizeOf(entry.text);
  }
}

const sizeOf = (text: string) => text.length * 2;
