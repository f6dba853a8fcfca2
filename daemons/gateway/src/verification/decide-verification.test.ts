import { describe, expect, test } from 'bun:test';
import { scanBody } from '@labmesh/inference/relay/scan-body';
import { ApiError } from '@labmesh/wire/errors';
import type { VerificationMode } from '@labmesh/wire/verification/verification-block';
import fc from 'fast-check';
import type { Identity } from '../access/authenticate.ts';
import { decideVerification } from './decide-verification.ts';

const keyWith = (verification?: VerificationMode, scopes = ['chat', 'verify']): Identity => ({
  type: 'key',
  key: { id: 'k', name: 'k', scopes, tenant: 't', createdAt: 0, verification },
});
const internal: Identity = { type: 'internal', tenant: 't', keyId: 'k', key: undefined };
const bodyOf = (block?: string) =>
  scanBody(Buffer.from(`{"a":"é"${block === undefined ? '' : `,"verification":${block}`}}`));
const modeOf = (identity: Identity, block: string | undefined, mode: VerificationMode, verifiable = true) =>
  decideVerification(identity, bodyOf(block), verifiable, mode)?.mode;

describe('which answers are verified', () => {
  test.each([
    ['nobody says', keyWith(), undefined, 'passthrough', undefined],
    ['the gateway', keyWith(), undefined, 'audit', 'audit'],
    ['the key before the gateway', keyWith('passthrough'), undefined, 'audit', undefined],
    ['the request before the key', keyWith('audit'), '{"mode":"intercept"}', 'shadow', 'intercept'],
    ['a block without a mode', keyWith('shadow'), '{"variations":2}', 'audit', 'shadow'],
    ['null, which is no block', keyWith('shadow', ['chat']), 'null', 'audit', 'shadow'],
    ['open access', { type: 'open' }, '{"mode":"audit"}', 'passthrough', 'audit'],
    ['the arena itself', internal, '{"mode":"intercept"}', 'intercept', undefined],
  ] as const)('%s', (_, identity, block, mode, wanted) => expect(modeOf(identity, block, mode)).toBe(wanted as never));

  test("a key's mode needs no scope, a block does; other routes take no block and no mode", () => {
    expect(modeOf(keyWith('intercept', ['chat']), undefined, 'passthrough')).toBe('intercept');
    expect(() => modeOf(keyWith('intercept', ['chat']), '{"mode":"passthrough"}', 'audit')).toThrow('verify');
    expect(modeOf(keyWith('intercept'), undefined, 'intercept', false)).toBeUndefined();
    expect(() => modeOf(keyWith(), '{}', 'audit', false)).toThrow('/v1/chat/completions');
  });

  test('a block that would lose a member on its way is refused', () => {
    for (const block of ['{"expected_schema":{"properties":{"__proto__":{"type":"string"}}}}', '{"__proto__":{}}']) {
      expect(() => modeOf(keyWith(), block, 'audit')).toThrow('__proto__');
    }
  });

  test('any block gives a mode or names the field', () => {
    const known = fc.dictionary(
      fc.constantFrom('mode', 'variations', 'budget', 'verifiers', 'sample', 'x', '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          known.map((value) => JSON.stringify(value)),
          fc.json(),
        ),
        (block) => {
          try {
            decideVerification(keyWith(), bodyOf(block), true, 'audit');
          } catch (error) {
            if (!(error instanceof ApiError)) throw error;
            expect([error.code, error.param]).toEqual([
              'verification_bad_option',
              expect.stringMatching(/^verification/),
            ]);
          }
        },
      ),
    );
  });
});
