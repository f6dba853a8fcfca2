import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionsError } from '@labmesh/kit/options';
import { collectorSettings } from './collector-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-collector-'));
afterAll(() => rmSync(folder, { recursive: true }));
const fileOf = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const settings = (otlpUrl: string | undefined, otlpHeadersFile?: string, otlpCaFile?: string) =>
  collectorSettings({ otlpUrl, otlpHeadersFile, otlpCaFile });
const refusal = (...given: Parameters<typeof settings>) => {
  try {
    settings(...given);
    return 'taken';
  } catch (error) {
    return error instanceof OptionsError ? error.message : String(error);
  }
};

test('none, this machine, another one', () => {
  expect(settings(undefined)).toBeUndefined();
  expect(settings('')).toBeUndefined();
  expect(settings('http://127.0.0.1:4318')).toEqual({ url: 'http://127.0.0.1:4318/v1/logs', headers: {} });
  expect(settings('http://[::1]:4318/')?.url).toBe('http://[::1]:4318/v1/logs');
  expect(settings('https://otlp.example/otlp/')?.url).toBe('https://otlp.example/otlp/v1/logs');
});

test.each([
  ['otlp.example:4318', 'expected an address'],
  ['ftp://127.0.0.1', 'expected an address'],
  ['not a url', 'expected an address'],
  ['http://otlp.example:4318', 'use https:'],
  ['http://127.0.0.1.example', 'use https:'],
  ['https://user:secret-word@otlp.example', 'otlp_headers_file'],
  ['https://otlp.example/?token=secret-word', 'without ? and #'],
])('%s', (url, message) => {
  expect(refusal(url)).toStartWith('telemetry.otlp_url: ');
  expect(refusal(url)).toContain(message);
  expect(refusal(url)).not.toContain('secret-word');
});

test('headers and a CA come from files; a wrong line is told by its number alone', () => {
  const headers = fileOf('good', '# who we are\r\nAuthorization: Bearer secret-word\n\nX-Scope-OrgID:\tlab \n');
  const ca = fileOf('ca', 'PEM');
  expect(settings('https://otlp.example', headers, ca)).toEqual({
    url: 'https://otlp.example/v1/logs',
    headers: { authorization: 'Bearer secret-word', 'x-scope-orgid': 'lab' },
    ca: 'PEM',
  });
  const wrong = refusal('https://otlp.example', fileOf('bad', 'A: b\nsecret-word\n'));
  expect([wrong.includes('line 2'), wrong.includes('secret-word')]).toEqual([true, false]);
  expect(refusal('https://otlp.example', fileOf('bent', 'A: b\u0000c'))).toContain('line 1');
  expect(
    refusal('https://otlp.example', fileOf('many', Array.from({ length: 33 }, (_, n) => `A${n}: b`).join('\n'))),
  ).toContain('more than 32');
  expect(refusal('https://otlp.example', join(folder, 'none'))).toContain('ENOENT');
  expect(refusal('https://otlp.example', undefined, join(folder, 'none'))).toStartWith('telemetry.otlp_ca_file: ');
});
