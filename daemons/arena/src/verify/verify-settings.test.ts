import { describe, expect, test } from 'bun:test';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { parse } from 'smol-toml';
import { everyVerifier } from './built-in-verifiers.ts';
import { openFake } from './testing/open-fake.ts';
import { readVerifySettings, verifyDefaults } from './verify-settings.ts';

const fileOf = (text: string): OptionsFile => ({ path: 'labmesh.toml', data: parse(text) });
const read = (text: string) => readVerifySettings(fileOf(text), everyVerifier);

describe('[verify] of labmesh.toml', () => {
  test('nothing said: the defaults', () => {
    expect(readVerifySettings(undefined, everyVerifier)).toEqual(verifyDefaults);
    expect(read('[other]\na = 1')).toEqual(verifyDefaults);
  });
  test('all of it', () => {
    const settings = read(`
      [verify]
      error_retries = 0
      soft_penalty = 0.25
      cache = "2m"
      [verify.safety_filter]
      hard = false
      [verify.safety_filter.config]
      blocklist = ["format c:"]
      [verify.tool_validator]
      enabled = false
    `);
    expect(settings).toEqual({
      errorRetries: 0,
      softPenalty: 0.25,
      cacheMs: 120_000,
      verifiers: {
        safety_filter: { hard: false, config: { blocklist: ['format c:'] } },
        tool_validator: { enabled: false },
      },
    });
    expect(() => openFake(everyVerifier, { settings })).not.toThrow();
  });
  test.each([
    ['[verify.safty_filter]\nhard = true', 'did you mean safety_filter?'],
    ['[verify]\nerror_retry = 1', 'did you mean error_retries?'],
    ['[verify]\nerror_retries = 9', 'an integer 0–5'],
    ['[verify]\ncache = "2 weeks"', 'a time up to 24h'],
    ['[verify.json_schema]\nhrad = true', 'did you mean hard?'],
    ['[verify.json_schema]\nenabled = "yes"', 'true or false'],
    ['[verify.json_schema.config]\nextract_inlin = true', 'extract_inlin'],
    ['[verify.safety_filter.config]\nblocklist = [""]', 'verify.safety_filter.config.blocklist.0'],
    ['[verify.safety_filter.config]\nexternal_api_url = "file:///etc/passwd"', 'external_api_url'],
    ['verify = 3', 'a table'],
  ])('%s is refused', (text, said) => {
    expect(() => read(text)).toThrow(said);
  });
});
