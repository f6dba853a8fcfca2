/**
 * labd's API by the operations table (AP-1): names, input and output are typed by the schemas, errors become what a
 * person can act on, and a labd that asks for patience gets it (RL-2).
 */
import { systemClock, type Clock } from '@labmesh/kit/clock';
import { parseJson } from '@labmesh/kit/parse-json';
import { fleetOperation, type OperationName, type OperationOf } from '@labmesh/wire/fleet/operations';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { limitText, span } from '../terminal/span.ts';
import { labdError, LabdError, unreachable } from './labd-error.ts';
import type { Transport, TransportAnswer } from './labd-transport.ts';

// oxlint-disable-next-line typescript/ban-types, typescript/no-empty-object-type -- what every object is: the unit of &
type Empty = {};
/** The names behind colons: `{ id: string }` of `/api/servers/:id/ban`. */
type Params<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? { [K in Name]: string } & Params<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? { [K in Name]: string }
    : Empty;
type ParamsInput<O extends FleetOperation> = keyof Params<O['path']> extends never
  ? { params?: undefined }
  : { params: Params<O['path']> };
type QueryInput<O> = O extends { query: infer Q extends z.ZodType } ? { query?: z.input<Q> } : { query?: undefined };
/** A body that may be empty may be left out. */
type BodyInput<O> = O extends { body: infer B extends z.ZodType }
  ? Empty extends z.input<B>
    ? { body?: z.input<B> }
    : { body: z.input<B> }
  : { body?: undefined };
export type OperationInput<N extends OperationName> = ParamsInput<OperationOf<N>> &
  QueryInput<OperationOf<N>> &
  BodyInput<OperationOf<N>>;
export type OperationOutput<N extends OperationName> =
  OperationOf<N> extends { output: infer S extends z.ZodType } ? z.output<S> : never;
/** Operations that answer with a page of things. */
export type ListName = {
  [N in OperationName]: OperationOutput<N> extends { items: readonly unknown[]; nextCursor: string | null } ? N : never;
}[OperationName];
export type ItemOf<N extends ListName> = OperationOutput<N> extends { items: readonly (infer T)[] } ? T : never;
/** Nothing to give: the input may be left out. */
type Given<T> = Empty extends T ? [input?: T] : [input: T];

type AnyInput = { params?: object | undefined; query?: unknown; body?: unknown } | undefined;

type Scalar = string | number | boolean | null | undefined;

/** Largest answer that is read whole, bytes. */
const answerBytesMax = 64 * 1024 * 1024;
/** Most things that `listAll` gathers. */
export const itemsMax = 100_000;
/** Waits when labd names none, ms. */
const retryAfterDefaultMs = 1_000;

export type LabdClientOptions = {
  transport: Transport;
  /** For a request with its repetitions, ms. */
  timeoutMs: number;
  /** Ends everything: Ctrl-C. */
  signal?: AbortSignal;
  clock?: Clock;
  /** In [0, 1). */
  random?: () => number;
  /** Hears of waits, for --verbose. */
  note?: (text: string) => void;
};

/** `/api/servers/:id` → `/api/servers/web-1?limit=500`. @throws Error for a parameter that is missing */
export function requestPath(path: string, input: AnyInput): string {
  const params = (input?.params ?? {}) as Readonly<Record<string, string | undefined>>;
  const filled = path.replace(/:(\w+)/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined || value === '') throw new Error(`${path}: no ${name}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries((input?.query ?? {}) as Readonly<Record<string, Scalar>>)) {
    if (value !== undefined && value !== null) query.set(name, String(value));
  }
  return query.size === 0 ? filled : `${filled}?${query.toString()}`;
}

export class LabdClient implements Disposable {
  readonly #options: LabdClientOptions;
  readonly #clock: Clock;

  constructor(options: LabdClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** `labd at https://…`. */
  get where(): string {
    return this.#options.transport.where;
  }

  /** The operation's answer, checked by its schema. @throws LabdError with an exit code of CT-8; CommandError */
  async call<N extends OperationName>(name: N, ...[input]: Given<OperationInput<N>>): Promise<OperationOutput<N>> {
    const row: FleetOperation = fleetOperation(name);
    if (row.output === null) throw new Error(`${name} answers with no JSON; use stream`);
    const text = await this.#repeated(row, input, readText);
    const answer = parseJson(text);
    const checked = row.output.safeParse(answer);
    // The object itself and not the schema's copy: `-o json` shows what labd said, also what only a newer labctl knows.
    if (checked.success) return answer as OperationOutput<N>;
    const issue = checked.error.issues[0];
    throw new CommandError(
      `the answer of ${this.where} to ${name} is not understood: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
      {
        hint: 'labctl and labd may be of different versions; labctl version shows both',
      },
    );
  }

  /** Bytes of an answer that is no JSON document: a recording, a backup. Not bound by the time-out once it has begun. */
  async stream<N extends OperationName>(
    name: N,
    ...[input]: Given<OperationInput<N>>
  ): Promise<AsyncIterable<Uint8Array>> {
    return this.#repeated(fleetOperation(name), input, async (answer) => answer.body);
  }

  /** Text of an answer that is no JSON document: the CA's bundle, its pin. */
  async text<N extends OperationName>(name: N, ...[input]: Given<OperationInput<N>>): Promise<string> {
    return this.#repeated(fleetOperation(name), input, readText);
  }

  /** Page after page, one at a time. @throws as `call` */
  async *pages<N extends ListName>(name: N, ...[input]: Given<OperationInput<N>>): AsyncGenerator<ItemOf<N>[]> {
    let cursor: string | undefined;
    do {
      const query = { limit: 500, ...(input?.query as object | undefined), ...(cursor !== undefined && { cursor }) };
      const page = await (this.call as (name: N, input: unknown) => Promise<unknown>).call(this, name, {
        ...input,
        query,
      });
      const { items, nextCursor } = page as { items: ItemOf<N>[]; nextCursor: string | null };
      yield items;
      // A cursor that stands still would never end.
      if (nextCursor !== null && nextCursor === cursor)
        throw new CommandError(`${this.where} gives the same page again`);
      cursor = nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** All things of a list, in the form of one page. @throws CommandError above `itemsMax`; as `call` */
  async listAll<N extends ListName>(
    name: N,
    ...input: Given<OperationInput<N>>
  ): Promise<{ items: ItemOf<N>[]; nextCursor: null }> {
    const items: ItemOf<N>[] = [];
    for await (const page of this.pages(name, ...input)) {
      for (const item of page) items.push(item);
      if (items.length > itemsMax)
        throw new CommandError(`there are more than ${itemsMax}`, { hint: 'narrow it with -l or a filter' });
    }
    return { items, nextCursor: null };
  }

  /** One request, and again for a GET that labd answers with 429 or 503, as long as there is time. */
  async #repeated<T>(row: FleetOperation, input: AnyInput, read: (answer: TransportAnswer) => Promise<T>): Promise<T> {
    const { timeoutMs, signal, note, random = Math.random } = this.#options;
    const endAt = this.#clock.now() + timeoutMs;
    for (;;) {
      try {
        return await this.#once(row, input, endAt - this.#clock.now(), read);
      } catch (error) {
        const patient = error instanceof LabdError && (error.status === 429 || error.status === 503);
        if (!patient || row.method !== 'GET') throw error;
        // Never before the time that labd named; spread above it, so that many do not come back together.
        const waitMs = (error.retryAfterMs ?? retryAfterDefaultMs) * (1 + random() / 2);
        if (this.#clock.now() + waitMs >= endAt) throw error;
        note?.(`${error.message}; again in ${span(waitMs)}`);
        await this.#clock.sleep(waitMs, signal);
      }
    }
  }

  async #once<T>(
    row: FleetOperation,
    input: AnyInput,
    leftMs: number,
    read: (answer: TransportAnswer) => Promise<T>,
  ): Promise<T> {
    const { transport, timeoutMs, signal: stop } = this.#options;
    stop?.throwIfAborted();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), Math.max(1, leftMs));
    const signal = stop === undefined ? late.signal : AbortSignal.any([stop, late.signal]);
    const body = row.body === undefined ? undefined : JSON.stringify(input?.body ?? {});
    const headers = {
      accept: '*/*',
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      }),
    };
    try {
      const answer = await transport.send({
        method: row.method,
        path: requestPath(row.path, input),
        headers,
        body,
        signal,
      });
      if (answer.status >= 200 && answer.status < 300) return await read(answer);
      const text = await readText(answer).catch(() => '');
      throw labdError({
        status: answer.status,
        text,
        requestId: answer.header('x-request-id'),
        retryAfter: answer.header('retry-after'),
      });
    } catch (error) {
      if (error instanceof CommandError) throw error;
      stop?.throwIfAborted();
      if (late.signal.aborted) throw tooLate(this.where, row.name, timeoutMs);
      throw unreachable(this.where, error);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#options.transport[Symbol.dispose]();
  }
}

const tooLate = (where: string, name: string, timeoutMs: number) =>
  new CommandError(`${where} did not answer ${name} within ${limitText(timeoutMs)}`, {
    hint: 'give it longer with --timeout, or let labctl doctor look for the cause',
    exitCode: exitCodes.timeout,
  });

/** @throws CommandError when it is too large */
async function readText({ body }: TransportAnswer): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > answerBytesMax) {
      body.destroy();
      throw new CommandError(`the answer is larger than ${answerBytesMax} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
