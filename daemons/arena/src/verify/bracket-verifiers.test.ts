import { describe, expect, test } from 'bun:test';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import { fakeVerifier, found } from './testing/fake-verifier.ts';
import { openFake } from './testing/open-fake.ts';
import { sampleCandidate } from './testing/sample-candidate.ts';
import { verifyDefaults } from './verify-settings.ts';

const codes = (results: readonly Verdict[] | undefined) =>
  results?.map(({ pluginName, status, code }) => [pluginName, status, code]);

describe('what a bracket needs (BR1)', () => {
  const audit = fakeVerifier('audit', ({ answer }) => found(answer.content === 'text' ? 'skipped' : 'passed'), {
    byDefault: false,
  });
  const later = fakeVerifier('later', ({ answer }) => found(answer.content === 'text' ? 'skipped' : 'failed'), {
    class: 3,
  });

  test('runs beside what is named and what is on, and has to pass: nothing to look at is a failure', async () => {
    const { verify, options } = openFake([fakeVerifier('on'), audit]);
    const of = async (text: string, more: object) =>
      (await verify([sampleCandidate(text)], { ...options, needed: ['audit'], ...more }))[0];
    expect(codes((await of('code', {}))?.results)).toEqual([
      ['on', 'passed', null],
      ['audit', 'passed', null],
    ]);
    expect(codes((await of('code', { names: ['audit'] }))?.results)).toEqual([['audit', 'passed', null]]);
    const none = await of('text', { names: ['on'] });
    expect(codes(none?.results)).toEqual([
      ['on', 'passed', null],
      ['audit', 'failed', 'NO_CODE'],
    ]);
    expect([none?.outcome, none?.failureMessages]).toEqual(['invalid', ['audit: No code blocks found']]);
    // Elsewhere it is still skipped: what is known of an answer is not what a bracket makes of it.
    expect((await verify([sampleCandidate('text')], { ...options, names: ['audit'] }))[0]?.outcome).toBe('unchecked');
  });

  test('settings cannot make it soft; what comes after a failure stays not looked at', async () => {
    const settings = { ...verifyDefaults, verifiers: { later: { hard: false } } };
    const { verify, options } = openFake([audit, later], { settings });
    const needed = ['audit', 'later'];
    expect((await verify([sampleCandidate('code')], { ...options, needed }))[0]?.outcome).toBe('invalid');
    const [text] = await verify([sampleCandidate('text')], { ...options, needed });
    expect(codes(text?.results)).toEqual([
      ['audit', 'failed', 'NO_CODE'],
      ['later', 'skipped', 'AFTER_HARD_FAILURE'],
    ]);
  });
});
