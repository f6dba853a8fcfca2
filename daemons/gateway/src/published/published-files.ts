/** What this gateway gives to people who have no key of it, so that anybody can verify a certificate. */
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { ArenaClient } from '../arena/arena-client.ts';
import { PublishedKeys, publishedKeysPath } from './published-keys.ts';
import { PublishedLog, publishedLogRoot } from './published-log.ts';

export class PublishedFiles {
  readonly #keys = new PublishedKeys();
  readonly #log = new PublishedLog();

  /** Whether a path belongs here. */
  has(path: string): boolean {
    return path === publishedKeysPath || path.startsWith(publishedLogRoot);
  }

  /** @throws ApiError method_not_allowed, unknown_route, rate_limit_exceeded, verification_unavailable */
  serve(arena: ArenaClient | undefined, exchange: Exchange, requestId: string): Promise<void> {
    const files = exchange.path === publishedKeysPath ? this.#keys : this.#log;
    return files.serve(arena, exchange, requestId);
  }
}
