/**
 * What happens, told to the gateways that listen as it happens (verification AR23), each listener one tenant's. Nothing is
 * kept and nobody is waited for: a listener that reads too slowly is let go of, and whoever comes again asks anew.
 *
 *     runs, certificates, labels ──tell──▶ LiveNews ──lines──▶ GET /v1/live of a gateway
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { liveLimits, type LiveLine } from '@labmesh/wire/verification/arena-live';

/** Of a process; a gateway has one for each tenant with clients. */
export const listenersMost = 4_096;
/** Bytes of lines that a listener has not taken. */
const heldBytesMost = 1024 * 1024;
/** An empty line, so that either side notices when the other is gone. */
const signMs = 20_000;

type Listener = { tenant: string; controller: ReadableStreamDefaultController<Uint8Array> };

const encode = (line: string) => new TextEncoder().encode(`${line}\n`);

export class LiveNews {
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;

  /** Somebody listens, to any tenant. */
  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  /**
   * Tells who listens to a tenant; undefined = to any. Never throws: whoever tells has done its work.
   * @param data asked for only when somebody listens
   */
  tell(tenant: string | undefined, topic: string, data: () => LiveLine['data']): void {
    if (!this.isHeard) return;
    const own = [...this.#listeners].filter((one) => tenant === undefined || one.tenant === tenant);
    if (own.length === 0) return;
    const bytes = encode(JSON.stringify({ topic, ts: Date.now(), data: data() } satisfies LiveLine));
    // A line that the gateway would not read ends nobody's listening; what it tells of can still be asked for.
    if (bytes.length > liveLimits.lineBytesMost) return;
    for (const one of own) this.#give(one, bytes);
  }

  #give(one: Listener, bytes: Uint8Array): void {
    try {
      if ((one.controller.desiredSize ?? 0) > 0) return one.controller.enqueue(bytes);
      // It reads what there is and then the end, and knows that something is missing.
      one.controller.close();
    } catch {
      // It went away in this very moment.
    }
    this.#leave(one);
  }

  /** Lines of one tenant from now on, until it is cancelled. @throws BoundPassed */
  listen(tenant: string): ReadableStream<Uint8Array> {
    if (this.#listeners.size >= listenersMost) throw new BoundPassed('arena.live_listeners', listenersMost);
    let listener: Listener | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          listener = { tenant, controller };
          this.#listeners.add(listener);
          this.#timer ??= setInterval(() => this.#sign(), signMs).unref();
          // It sends the head: from then on nothing is missed.
          controller.enqueue(encode(''));
        },
        cancel: () => {
          if (listener !== undefined) this.#leave(listener);
        },
      },
      { highWaterMark: heldBytesMost, size: (bytes) => bytes?.length ?? 0 },
    );
  }

  #sign(): void {
    for (const one of this.#listeners) this.#give(one, encode(''));
  }

  #leave(one: Listener): void {
    this.#listeners.delete(one);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
