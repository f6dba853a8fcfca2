import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Candidate } from '../../contract/candidate.ts';
import { makeCandidate } from '../make-candidate.ts';
import { openFake } from '../testing/open-fake.ts';
import { callingCandidate, sampleCandidate } from '../testing/sample-candidate.ts';
import { verifyDefaults } from '../verify-settings.ts';
import { foldText } from './fold-text.ts';
import { safetyFilter } from './safety-filter.ts';

async function verdictOf(candidate: Candidate, config?: unknown) {
  const settings = { ...verifyDefaults, verifiers: { safety_filter: { config } } };
  const { verify, options } = openFake([safetyFilter], { settings });
  const verdict = (await verify([candidate], options))[0]?.results[0];
  if (verdict === undefined) throw new Error('no verdict');
  return verdict;
}
const statusOf = async (text: string, config?: unknown) => (await verdictOf(sampleCandidate(text), config)).status;

describe('the six patterns and the list (V10)', () => {
  test.each([
    'how to hack the system',
    'EXPLOIT SERVER now',
    'attack network',
    'sql injection',
    'use code injection here',
    'bypass authentication',
    'circumvent the? no: circumvent security',
    'steal credentials',
    'exfiltrate data',
    'this is malware',
    'a DDoS attack',
    'run rm -rf / now',
    'drop table users',
    'x; DROP everything',
    'Delete From t',
    'truncate\n\n  table t',
  ])('%s fails', async (text) => {
    expect(await statusOf(text)).toBe('failed');
  });
  test.each([
    'a shack the system keeps',
    'Windos attack',
    'backdrop tables',
    'rm -r ./build',
    'delete the row from t',
    'bypass the cache',
  ])('%s passes', async (text) => {
    expect(await verdictOf(sampleCandidate(text))).toMatchObject({
      status: 'passed',
      grants: ['SAFETY_OK'],
      level: null,
    });
  });
  test.each([
    ['zero width', 'ha\u200bck\u2060 the sys\u00adtem'],
    ['full width', 'ｍａｌｗａｒｅ'],
    ['mathematical letters', '𝐦𝐚𝐥𝐰𝐚𝐫𝐞'],
    ['struck through', 'm\u0336a\u0336l\u0336w\u0336a\u0336r\u0336e\u0336'],
    ['variation selectors and tags', 'mal\ufe0fwa\u{e0001}re'],
    ['spaces of every kind', 'drop\u00a0\u2003\ttable'],
    ['direction marks', 'mal\u202eware\u202c'],
    ['split over lines', 'delete\r\nfrom t'],
  ])('hidden by %s', async (_name, text) => {
    expect(await statusOf(text)).toBe('failed');
  });
  test('the message names what was found and where, not the text around it', async () => {
    const verdict = await verdictOf(sampleCandidate('my secret plan: malware; rm -rf /'));
    expect(verdict).toMatchObject({
      code: 'UNSAFE_TEXT',
      message: 'the answer holds what is not wanted: malware, "rm -rf /"',
    });
    expect(JSON.stringify(verdict)).not.toContain('secret plan');
  });
  test('an own list replaces the built-in one', async () => {
    expect(await statusOf('drop table t', { blocklist: ['Format  C:'] })).toBe('passed');
    expect(await statusOf('please FORMAT C: now', { blocklist: ['Format C:'] })).toBe('failed');
  });
});

describe('what is looked at (V7)', () => {
  test('the user’s own words never fail a run', async () => {
    const messages = [{ role: 'user', content: 'write about malware and DROP TABLE' }];
    expect(await verdictOf(makeCandidate({ messages, answer: 'no' }))).toMatchObject({ status: 'passed' });
  });
  test('tool calls too, escaped or as an object, keys and names', async () => {
    for (const args of [
      '{"cmd":"rm -rf /"}',
      '{"cmd":"\\u0072m -rf /"}',
      { cmd: ['rm -rf /'] },
      '{"rm -rf /":1}',
      'rm -rf / is no JSON',
    ]) {
      expect(await verdictOf(callingCandidate('shell', args))).toMatchObject({ status: 'failed' });
    }
    expect(await verdictOf(callingCandidate('malware', '{}'))).toMatchObject({ status: 'failed' });
    expect(await verdictOf(callingCandidate('shell', '{"cmd":"ls"}'))).toMatchObject({ status: 'passed' });
  });
  test('nothing to look at is skipped', async () => {
    expect(await verdictOf(sampleCandidate({ content: null }))).toMatchObject({ status: 'skipped' });
  });
});

describe('folding', () => {
  test('any text ends, and folding twice changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(foldText(foldText(text))).toBe(foldText(text));
      }),
    );
  });
  // Normalised as a whole this takes half a minute.
  test.each(['\u0316\u0301', '\u0301', '\ufdfa', '\uac01', '\u200b', '\ud800', ' \t'])('100,000 times %j', (unit) => {
    expect(foldText(unit.repeat(50_000)).length).toBeLessThan(2_000_000);
  });
});

describe('external_api_url', () => {
  const asked = async (respond: (request: Request) => Response | Promise<Response>) => {
    await using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: respond });
    const config = { external_api_url: `http://127.0.0.1:${server.port}/check`, external_api_timeout_ms: 200 };
    // Awaited here: the server is gone at the end of this function.
    return await verdictOf(sampleCandidate('hello'), config);
  };
  test('its word counts', async () => {
    let body: unknown;
    const safe = await asked(async (request) => {
      body = await request.json();
      return Response.json({ safe: true });
    });
    expect(safe).toMatchObject({ status: 'passed' });
    expect(body).toEqual({ text: 'hello' });
    const unsafe = await asked(() => Response.json({ safe: false, reason: 'rude' }));
    expect(unsafe).toMatchObject({ status: 'failed', message: 'the moderation service refuses: rude' });
  });
  test.each<[string, () => Response | Promise<Response>]>([
    ['a status', () => new Response('no', { status: 500 })],
    ['no JSON', () => new Response('yes')],
    ['another form', () => Response.json({ ok: true })],
    ['a flood', () => new Response('x'.repeat(100_000))],
    ['a redirect', () => Response.redirect('http://127.0.0.1:1/', 302)],
    ['silence', () => Bun.sleep(2000).then(() => new Response(''))],
  ])('%s is an error, never a pass', async (_name, respond) => {
    expect(await asked(respond)).toMatchObject({ status: 'error', code: 'EXTERNAL_API_UNAVAILABLE' });
  });
  test('down is an error', async () => {
    const verdict = await verdictOf(sampleCandidate('hello'), { external_api_url: 'http://127.0.0.1:1/' });
    expect(verdict).toMatchObject({ status: 'error', code: 'EXTERNAL_API_UNAVAILABLE' });
  });
});
