import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import type { CommandError } from '../command-error.ts';
import { startLoopback } from './loopback.ts';

const never = new AbortController().signal;
const wait = { waitMs: 60_000, signal: never };
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: CommandError) => error,
  );

describe('the loopback listener (RFC 8252)', () => {
  test('only 127.0.0.1, a port of its own, a path without a query', async () => {
    await using one = await startLoopback();
    await using two = await startLoopback();
    expect(one.redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
    expect(two.redirectUri).not.toBe(one.redirectUri);
  });

  test('the answer with the state that was asked for', async () => {
    await using loopback = await startLoopback();
    const answer = loopback.answer('st', wait);
    expect((await fetch(`${loopback.redirectUri}?state=st&code=c`)).status).toBe(200);
    expect(await answer).toEqual({ code: 'c' });
  });

  test.each([
    ['another state', '/callback?state=x&code=c', 'GET'],
    ['no state', '/callback?code=c', 'GET'],
    ['another path', '/?state=st&code=c', 'GET'],
    ['another method', '/callback?state=st&code=c', 'POST'],
    ['an address that is none', '//', 'GET'],
  ])('%s is a 404, and the login goes on', async (_, path, method) => {
    await using loopback = await startLoopback();
    const answer = loopback.answer('st', wait);
    const { origin } = new URL(loopback.redirectUri);
    expect((await fetch(`${origin}${path}`, { method })).status).toBe(404);
    await fetch(`${loopback.redirectUri}?state=st&code=real`);
    expect(await answer).toEqual({ code: 'real' });
  });

  test('what comes before anybody waits is refused', async () => {
    await using loopback = await startLoopback();
    expect((await fetch(`${loopback.redirectUri}?state=st&code=c`)).status).toBe(404);
  });

  test('the provider’s words are bounded, and a code beside an error does not count', async () => {
    await using loopback = await startLoopback();
    const answer = refusal(loopback.answer('st', wait));
    const query = new URLSearchParams({
      state: 'st',
      code: 'c',
      error: 'access_denied',
      error_description: 'x'.repeat(9_000),
    });
    const page = await fetch(`${loopback.redirectUri}?${query.toString()}`);
    expect([page.status, await page.text()]).toEqual([403, expect.stringContaining('Not logged in.')]);
    const { exitCode, message } = await answer;
    expect(exitCode).toBe(4);
    expect(message.length).toBeLessThan(600);
  });

  test('an answer without code and error', async () => {
    await using loopback = await startLoopback();
    const answer = refusal(loopback.answer('st', wait));
    await fetch(`${loopback.redirectUri}?state=st`);
    expect((await answer).message).toContain('no code');
  });

  test('it ends with the life of the process, and after its time', async () => {
    await using loopback = await startLoopback();
    const stopping = new AbortController();
    const answer = loopback.answer('st', { waitMs: 60_000, signal: stopping.signal });
    stopping.abort(new Error('stopped'));
    expect(await thrower(answer)).toThrow('stopped');
    expect((await refusal(loopback.answer('st', { waitMs: 1, signal: never }))).exitCode).toBe(7);
  });

  test('closing does not wait for a browser that holds its connection', async () => {
    const loopback = await startLoopback();
    const { port } = new URL(loopback.redirectUri);
    const socket = connect(Number(port), '127.0.0.1');
    await new Promise<void>((done) => socket.once('connect', () => done()));
    await loopback[Symbol.asyncDispose]();
    expect(await thrower(fetch(loopback.redirectUri))).toThrow();
    socket.destroy();
  });
});
