/**
 * `GET /.well-known/jwks.json` (verification CT6): the public keys that sign summaries of certificates, where verifiers look
 * for them. They hold no key of this gateway, so none is asked for; that strangers may ask is why the arena is asked once a
 * minute at most, and why what it says is held to the public members of a key.
 */
import { systemClock } from '@labmesh/kit/clock';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import { z } from 'zod';
import type { ArenaClient } from '../arena/arena-client.ts';
import { askArena } from '../arena/ask-arena.ts';

export const publishedKeysPath = '/.well-known/jwks.json';

/** 64 keys of an issuer, each well below 256 bytes. */
const bytesMost = 64 * 1024;
const timeoutMs = 10_000;
/** A rotation is announced a day ahead: a minute late is early enough. */
const freshMs = 60_000;
/** An arena that fails is not asked by every stranger anew. */
const failedMs = 5_000;

const word = z.string().max(200);
/** Members that are not named here are left out: the private one (`d`) could never pass. */
const keysSchema = z.object({
  keys: z.array(z.object({ kty: word, crv: word, use: word, alg: word, kid: word, x: word })).max(64),
});

type Answer = { text: Promise<string>; until: number };

export class PublishedKeys {
  #answer: Answer | undefined;

  /** @throws ApiError method_not_allowed, verification_unavailable */
  async serve(arena: ArenaClient | undefined, exchange: Exchange, requestId: string): Promise<void> {
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      throw new ApiError('method_not_allowed', { message: `${publishedKeysPath} takes GET` });
    }
    if (arena === undefined) throw new ApiError('verification_unavailable', { message: 'this gateway has no arena' });
    const text = await this.#text(arena, requestId);
    const headers = [
      ['content-type', 'application/json'],
      ['cache-control', 'public, max-age=60'],
      ['x-content-type-options', 'nosniff'],
      ['x-request-id', requestId],
    ] as const;
    exchange.reply(200, headers, text);
  }

  #text(arena: ArenaClient, requestId: string): Promise<string> {
    const known = this.#answer;
    if (known !== undefined && known.until > systemClock.now()) return known.text;
    // The arena answers nobody without a tenant; its keys are those of all.
    const payer = { tenant: 'default', key: 'unknown', requestId };
    const question = { path: '/api/arena/jwks.json', schema: keysSchema, bytesMost, timeoutMs };
    const text = askArena(arena, payer, question).then((keys) => JSON.stringify(keys));
    const answer = { text, until: systemClock.now() + freshMs };
    this.#answer = answer;
    text.catch(() => (answer.until = systemClock.now() + failedMs));
    return text;
  }
}
