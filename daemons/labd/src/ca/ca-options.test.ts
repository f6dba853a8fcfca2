import { expect, test } from 'bun:test';
import { AuthorityRefused, caOptions, isPermitted } from './ca-options.ts';

test('the defaults of the spec, and what is told over them', () => {
  const day = 86_400_000;
  expect(caOptions()).toMatchObject({
    trustDomain: 'labmesh.internal',
    rootMode: 'local',
    rootTtlMs: 3_650 * day,
    intermediateTtlMs: 365 * day,
    backdateMs: 300_000,
    phaseMinMs: 600_000,
    keepOldMs: 90 * day,
  });
  expect(caOptions({ rootTtlMs: day, rootFile: undefined })).toMatchObject({ rootTtlMs: day });
  expect(caOptions().owner).not.toBe(caOptions().owner);
});

test('names for constraints: hosts only, lower case, once, localhost always (CA-3)', () => {
  const dnsNames = ['Lab.Example', '*.lab.example', '10.0.0.1', '::1', '[fd00::1]', 'a b', '', 'lab.example:3100'];
  expect(caOptions({ dnsNames }).dnsNames).toEqual(['localhost', 'lab.example']);
});

test('a name is permitted below a base, not beside it', () => {
  const permitted = ['lab.example', 'localhost'];
  for (const name of ['lab.example', 'a.lab.example', 'b.a.lab.example', 'localhost']) {
    expect(isPermitted(name, permitted)).toBe(true);
  }
  for (const name of ['notlab.example', 'example', 'lab.example.org', '']) {
    expect(isPermitted(name, permitted)).toBe(false);
  }
});

test('a trust domain that is none ends the start with exit 3', () => {
  for (const trustDomain of ['', 'A.B', 'x y', 'spiffe://x', 'x:1']) {
    expect(() => caOptions({ trustDomain })).toThrow(AuthorityRefused);
  }
});
