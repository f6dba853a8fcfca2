/** Waits on this machine for the browser to come back from the OpenID provider (RFC 8252, 7.3). */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** What the provider gave the browser; `iss` as in RFC 9207. */
export type BroughtBack = { code: string; iss?: string };

export interface Loopback extends AsyncDisposable {
  readonly redirectUri: string;
  /** @throws CommandError: exit 4 when the provider said no, 7 when nobody came */
  answer(state: string, how: { waitMs: number; signal: AbortSignal }): Promise<BroughtBack>;
}

const page = (text: string) =>
  `<!doctype html><meta charset="utf-8"><title>labctl</title><p style="font:1.2em sans-serif">${text}</p>\n`;

function show(response: ServerResponse, status: number, text: string): void {
  const headers = { 'content-type': 'text/html', 'cache-control': 'no-store', connection: 'close' };
  response.writeHead(status, headers).end(page(text));
}

/** What a request brings: the answer, a refusal, or nothing that was meant for us. */
function readAnswer(request: IncomingMessage, state: string): BroughtBack | CommandError | undefined {
  const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
  if (request.method !== 'GET' || url?.pathname !== '/callback') return undefined;
  const given = (name: string) => url.searchParams.get(name) ?? undefined;
  // Another state is another login, or somebody who guesses: not ours to end on.
  if (given('state') !== state) return undefined;
  const [code, error, iss] = [given('code'), given('error'), given('iss')];
  if (code !== undefined && error === undefined) return { code, ...(iss !== undefined && { iss }) };
  const why = given('error_description') ?? error ?? 'no code';
  return new CommandError(`the provider did not let you in: ${why.slice(0, 500)}`, { exitCode: exitCodes.denied });
}

/** Listens on a free port of 127.0.0.1. */
export async function startLoopback(): Promise<Loopback> {
  let wanted: { state: string; take: (found: BroughtBack | CommandError) => void } | undefined;
  const server = createServer((request, response) => {
    const found = wanted === undefined ? undefined : readAnswer(request, wanted.state);
    if (found === undefined) return show(response, 404, 'There is nothing here.');
    const isIn = !(found instanceof CommandError);
    show(response, isIn ? 200 : 403, isIn ? 'You can close this page and go back to the terminal.' : 'Not logged in.');
    // After the browser has its page: the listener goes away with the answer.
    response.on('finish', () => wanted?.take(found));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    redirectUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    answer: async (state, { waitMs, signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<BroughtBack>();
      wanted = { state, take: (found) => (found instanceof CommandError ? reject(found) : resolve(found)) };
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      const late = new CommandError('nobody came back from the browser in time', { exitCode: exitCodes.timeout });
      const timer = setTimeout(() => reject(late), Math.min(Math.max(1, waitMs), 2 ** 31 - 1));
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
