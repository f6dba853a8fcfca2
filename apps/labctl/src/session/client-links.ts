/** As many sockets as the sessions need: labd takes a bounded number of channels on each. */
import type { Open } from '@labmesh/wire/frame/open';
import { ClientLink, type ClientLinkParts } from './client-link.ts';
import type { KeptChannel } from './kept-channel.ts';

export class ClientLinks implements AsyncDisposable {
  readonly #parts: ClientLinkParts;
  readonly #links: ClientLink[] = [];

  constructor(parts: ClientLinkParts) {
    this.#parts = parts;
  }

  /** Makes the first connection. @throws what ClientLink.connect rejects with */
  connect(): Promise<void> {
    return this.#roomy().connect();
  }

  /** @throws as ClientLink.open */
  open(open: Open, signal?: AbortSignal): Promise<KeptChannel> {
    return this.#roomy().open(open, signal);
  }

  #roomy(): ClientLink {
    const found = this.#links.find((link) => link.room > 0);
    if (found !== undefined) return found;
    const made = new ClientLink(this.#parts, this.#links.at(-1)?.channelsMax);
    this.#links.push(made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#links.map((link) => link[Symbol.asyncDispose]()));
  }
}
