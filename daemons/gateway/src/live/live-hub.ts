/**
 * `GET /ws` (verification AR23): what happens in the arena, to the tenant that it happens in.
 *
 *     arena ──GET /v1/live──▶ LiveFeed (one a tenant) ──▶ LiveClient (many) ──WebSocket──▶ clients
 *
 * A tenant's feed is opened with its first client and closed with its last. When it is lost all clients of the tenant are
 * sent away with 1013: who comes back asks for the state anew, so nothing has to be remembered for anybody.
 */
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import { liveCloseCodes, liveLimits } from '@labmesh/wire/verification/arena-live';
import { type Access, authenticate, type Identity, keyIdOf, requireScope, tenantOf } from '../access/authenticate.ts';
import type { ArenaClient } from '../arena/arena-client.ts';
import { LiveClient } from './live-client.ts';
import { LiveFeed } from './live-feed.ts';

export const livePathOfGateway = '/ws';

export type LiveHubParts = {
  access: Access;
  verification: { arena: ArenaClient | undefined };
  isDraining: () => boolean;
};

type Group = { feed: LiveFeed; isReady: boolean; clients: Map<LiveClient, { key: string }> };

/** A page of another origin is refused, though it would need the key: browsers send what they have been given. */
function refuseForeignPages(exchange: Exchange): void {
  const origin = exchange.header('origin');
  if (origin === undefined) return;
  const host = URL.canParse(origin) ? new URL(origin).host : undefined;
  if (host === undefined || host !== exchange.header('host')?.toLowerCase()) throw new ApiError('origin_refused');
}

export class LiveHub {
  readonly #parts: LiveHubParts;
  readonly #groups = new Map<string, Group>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: LiveHubParts) {
    this.#parts = parts;
  }

  /** @throws ApiError before the exchange becomes a WebSocket */
  serve(exchange: Exchange, requestId: string): void {
    if (exchange.method !== 'GET')
      throw new ApiError('method_not_allowed', { message: `${livePathOfGateway} takes GET` });
    refuseForeignPages(exchange);
    const identity = authenticate(exchange, this.#parts.access);
    requireScope(identity, 'verify');
    if (this.#parts.isDraining()) throw new ApiError('draining');
    const { arena } = this.#parts.verification;
    if (arena === undefined) throw new ApiError('verification_unavailable', { message: 'this gateway has no arena' });
    if (exchange.upgrade === undefined) throw new ApiError('not_supported');
    const [tenant, key] = [tenantOf(identity), keyIdOf(identity)];
    this.#checkRoom(tenant, key);
    const client = new LiveClient({
      isAllowed: () => this.#isAllowed(identity),
      now: () => performance.now(),
      onClose: () => this.#leave(tenant, client),
    });
    client.open(exchange.upgrade(client, { messageBytesMost: liveLimits.messageBytesMost }));
    this.#join(arena, tenant, requestId, client, key);
  }

  #isAllowed(identity: Identity): boolean {
    if (identity.type !== 'key') return true;
    return this.#parts.access.keys.find(identity.key.id)?.scopes.includes('verify') ?? false;
  }

  /** A tenant with many keys has a share: it must not keep the others out. */
  #checkRoom(tenant: string, key: string): void {
    const all = [...this.#groups.values()].flatMap(({ clients }) => [...clients.values()]);
    const rooms = [
      ['with this key', all.filter((one) => one.key === key).length, liveLimits.clientsPerKeyMost],
      ['for this tenant', this.#groups.get(tenant)?.clients.size ?? 0, liveLimits.clientsPerTenantMost],
      ['to this gateway', all.length, liveLimits.clientsMost],
    ] as const;
    const full = rooms.find(([, count, most]) => count >= most);
    if (full === undefined) return;
    throw new ApiError('rate_limit_exceeded', { message: `too many listen ${full[0]} already`, retryAfterS: 10 });
  }

  #join(arena: ArenaClient, tenant: string, requestId: string, client: LiveClient, key: string): void {
    const group = this.#groups.get(tenant) ?? this.#open(arena, tenant, requestId);
    group.clients.set(client, { key });
    if (group.isReady) client.ready();
    this.#timer ??= setInterval(() => this.#beat(), liveLimits.pingMs).unref();
  }

  #open(arena: ArenaClient, tenant: string, requestId: string): Group {
    const clients: Group['clients'] = new Map();
    const feed = new LiveFeed(arena, tenant, requestId, {
      onReady: () => {
        group.isReady = true;
        for (const client of clients.keys()) client.ready();
      },
      onLine: (line) => {
        for (const client of clients.keys()) client.deliver(line);
      },
      onLost: () => this.#sendAway(group, liveCloseCodes.tryAgain, 'the arena is away'),
    });
    const group: Group = { feed, isReady: false, clients };
    this.#groups.set(tenant, group);
    return group;
  }

  #sendAway({ clients }: Group, code: number, reason: string): void {
    for (const client of clients.keys()) client.close(code, reason);
  }

  #leave(tenant: string, client: LiveClient): void {
    const group = this.#groups.get(tenant);
    if (group === undefined || !group.clients.delete(client) || group.clients.size > 0) return;
    group.feed.close();
    this.#groups.delete(tenant);
    if (this.#groups.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    for (const { clients } of this.#groups.values()) for (const client of clients.keys()) client.beat();
  }

  /** Sends all away: they come back, to another gateway perhaps. */
  shutDown(): void {
    for (const group of this.#groups.values()) {
      this.#sendAway(group, liveCloseCodes.goingAway, 'the gateway is shutting down');
    }
  }
}
