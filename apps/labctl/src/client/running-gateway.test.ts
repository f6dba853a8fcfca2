import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { writeRunState } from '../run-file.ts';
import { originOfApi, RunningGateway } from './running-gateway.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-running-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('originOfApi', () => {
  test('takes the address apart', () => {
    expect(originOfApi('https://[::1]/v1/')).toEqual({ host: '::1', port: 443, tls: true, prefix: '/v1' });
    expect(originOfApi('http://127.0.0.1:8080/v1')).toEqual({
      host: '127.0.0.1',
      port: 8080,
      tls: false,
      prefix: '/v1',
    });
  });
  test.each(['', 'localhost:8080', 'ftp://x', 'http://'])('%j is refused', (text) => {
    expect(() => originOfApi(text)).toThrow('is not the address of an API');
  });
});

describe('RunningGateway', () => {
  const state = { pid: process.pid, startedAt: new Date().toISOString(), version: '1' };

  test('nothing there, garbage, and one that still starts', () => {
    expect(() => new RunningGateway(folder, {})).toThrow(`labmesh is not running on ${folder}`);
    writeFileSync(join(folder, 'run.json'), '{"pid":');
    expect(() => new RunningGateway(folder, {})).toThrow('is not running');
    writeRunState(folder, state);
    expect(() => new RunningGateway(folder, {})).toThrow('still starting');
  });

  test('the file of a process that is gone', async () => {
    const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const api = `http://127.0.0.1:${server.port}/v1`;
    await server.stop(true);
    writeRunState(folder, { ...state, api, adminToken: 't' });
    await using gateway = new RunningGateway(folder, {});
    expect(await thrower(gateway.ask('GET', '/status', z.unknown()))).toThrow('is not running');
  });

  test('asks with the token, and says when it does not understand', async () => {
    const asked: string[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        asked.push(`${request.method} ${new URL(request.url).pathname} ${request.headers.get('authorization')}`);
        return Response.json({ a: 1 });
      },
    });
    writeRunState(folder, { ...state, api: `http://127.0.0.1:${server.port}/v1`, adminToken: 'secret' });
    await using gateway = new RunningGateway(folder, {});
    expect(await gateway.ask('GET', '/status', z.object({ a: z.number() }))).toEqual({ a: 1 });
    expect(asked).toEqual(['GET /admin/status Bearer secret']);
    expect(await thrower(gateway.ask('GET', '/status', z.object({ b: z.number() })))).toThrow('is not understood');
  });
});
