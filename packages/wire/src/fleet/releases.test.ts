import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { agentDesiredSchema, compareVersions, releaseText, releaseVersionField } from './releases.ts';

describe('versions', () => {
  const ordered = ['0.9', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2'];
  const rest = ['1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '1.0.1', '1.2.0', '1.10.0', '2.0.0'];

  test('AG-8 stand in the order of SemVer', () => {
    const all = [...ordered, ...rest];
    for (const [i, a] of all.entries())
      for (const [j, b] of all.entries()) expect(Math.sign(compareVersions(a, b)), `${a} ${b}`).toBe(Math.sign(i - j));
    expect(compareVersions('1.0.0+a', '1.0.0+b')).toBe(0);
    expect(compareVersions('1.0', '1.0.0')).toBe(0);
  });

  test('any two versions have an order, the other way round the other one', () => {
    const version = fc.stringMatching(/^[0-9][0-9A-Za-z.+-]{0,20}$/);
    fc.assert(
      fc.property(version, version, (a, b) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
        expect(compareVersions(a, a)).toBe(0);
      }),
    );
  });

  test.each(['', '.', '..', '../x', 'a/b', '/etc', '1/..', '1\n2', 'v1.0', '1 0', '1\0', `1${'0'.repeat(64)}`])(
    '%j is no version: it becomes a folder',
    (text) => expect(releaseVersionField.safeParse(text).success).toBe(false),
  );

  test('no version leaves the folder it is put in', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (releaseVersionField.safeParse(text).success) expect(text).not.toMatch(/[/\\\0\n]|^\./);
      }),
    );
  });
});

test('AG-8 the text that is signed', () =>
  expect(releaseText('0.2.0', 'x64', 'ab'.repeat(32))).toBe(`labmesh-release-v1\n0.2.0\nx64\n${'ab'.repeat(32)}`));

describe('a wish', () => {
  const wish = {
    kind: 'agent',
    version: '0.2.0',
    sha256: 'ab'.repeat(32),
    signature: Buffer.alloc(64, 7).toString('base64'),
    ring: null,
    now: false,
    downgrade: false,
  };

  test('HB-3 of a later labd may say more', () =>
    expect(agentDesiredSchema.parse({ ...wish, later: 1 })).toEqual(wish as never));

  test.each([
    ['version', '../0.2.0'],
    ['sha256', 'AB'.repeat(32)],
    ['sha256', 'ab'.repeat(31)],
    ['signature', Buffer.alloc(63).toString('base64')],
    ['signature', `${Buffer.alloc(64).toString('base64')}\n`],
    ['kind', 'bastion'],
    ['now', 1],
  ])('with %s %j is none', (key, value) =>
    expect(agentDesiredSchema.safeParse({ ...wish, [key]: value }).success).toBe(false),
  );

  test('property: whatever comes is a wish or refused, never a throw', () => {
    fc.assert(fc.property(fc.anything(), (value) => void agentDesiredSchema.safeParse(value)));
  });
});
