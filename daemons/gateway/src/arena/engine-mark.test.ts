import { expect, test } from 'bun:test';
import { Endpoint, endpointSpec, type KindName } from '@labmesh/inference/registry/endpoint';
import { parseBaseUrl } from '@labmesh/inference/registry/parse-base-url';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { readEngineMark } from '@labmesh/wire/verification/arena-run';
import fc from 'fast-check';
import type { Identity } from '../access/authenticate.ts';
import { engineMark, forArena, isOwn } from './engine-mark.ts';

function endpoint(host: string, kind: KindName = 'vllm', origin: 'config' | 'builtin' = 'config'): Endpoint {
  const baseUrl = `http://${host}:8000/v1`;
  const made = new Endpoint(endpointSpec({ name: 'one', baseUrl, origin }), parseBaseUrl(baseUrl));
  made.kind = kind;
  return made;
}

test.each([
  ['127.0.0.1', true],
  ['[::1]', true],
  ['localhost', true],
  ['10.1.2.3', true],
  ['172.31.0.1', true],
  ['192.168.1.9', true],
  ['[fd00::7]', true],
  ['100.64.0.1', true],
  ['100.127.255.254', true],
  ['gpu1', true],
  ['gpu1.lan', true],
  ['GPU1.Home.Arpa', true],
  ['box.tail1234.ts.net', true],
  ['172.32.0.1', false],
  ['100.63.0.1', false],
  ['100.128.0.1', false],
  ['8.8.8.8', false],
  ['2130706433', true],
  ['[2606:4700::1]', false],
  ['api.example.com', false],
  ['localhost.example.com', false],
  ['10.0.0.1.example.com', false],
  ['lan.example.org', false],
])('an engine at %s: the operator’s own is %p', (host, own) => {
  expect(isOwn(endpoint(host))).toBe(own);
  // What only speaks the API may be a proxy to who is paid.
  expect(isOwn(endpoint(host, 'openai'))).toBe(false);
});

test('the engine that comes with the gateway is the operator’s', () => {
  expect(isOwn(endpoint('203.0.113.1', 'openai', 'builtin'))).toBe(true);
});

test('a mark is the same for endpoint, kind, version and model, and tells none of them', () => {
  const one = endpoint('10.0.0.1');
  const marks = [engineMark(one, 'm'), engineMark(one, 'n')];
  one.version = '0.2';
  marks.push(engineMark(one, 'm'));
  one.kind = 'sglang';
  marks.push(engineMark(one, 'm'), engineMark(endpoint('10.0.0.2'), 'm'));
  expect(new Set(marks).size).toBe(5);
  expect(engineMark(endpoint('10.0.0.1'), 'm')).toBe(marks[0] ?? '');
  for (const mark of marks) expect(readEngineMark(mark)).toBe(mark);
  expect(engineMark(endpoint('8.8.8.8'), 'm')).toStartWith('other-');
});

test('anything else is no mark', () => {
  for (const text of [
    undefined,
    '',
    'own-',
    `own-${'A'.repeat(32)}`,
    `own-${'a'.repeat(33)}`,
    ` own-${'a'.repeat(32)}`,
  ])
    expect(readEngineMark(text)).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => expect(readEngineMark(text)).toBeUndefined()));
});

test('only the arena is told, and sent to one alone', () => {
  const [near, far] = [endpoint('10.0.0.1'), endpoint('8.8.8.8')];
  const resolved = { model: 'm', candidates: () => [near, far] };
  const asking = (mark?: string) => ({ header: () => mark }) as unknown as Exchange;
  const arena: Identity = { type: 'internal', tenant: 't', keyId: 'k', key: undefined };
  expect(forArena({ type: 'open' }, asking(engineMark(far, 'm')), resolved)).toEqual({});
  const told = forArena(arena, asking(), resolved);
  expect(told.mark?.(near)).toEqual(['x-labmesh-engine', engineMark(near, 'm')]);
  expect(told).not.toHaveProperty('candidates');
  expect(forArena(arena, asking('nonsense'), resolved)).not.toHaveProperty('candidates');
  const wanted = forArena(arena, asking(engineMark(far, 'm')), resolved);
  expect([wanted.candidates?.(), wanted.queue]).toEqual([[far], engineMark(far, 'm')]);
  // An engine that was put in another's place is another one.
  far.version = '2';
  expect(wanted.candidates?.()).toEqual([]);
});
