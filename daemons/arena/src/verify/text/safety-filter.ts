/** safety_filter (V10): words that an operator does not want answered, in the text and in tool calls. */
import { z } from 'zod';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding } from '../../contract/verifier.ts';
import { answerText, answerToolCalls } from '../candidate-text.ts';
import { defineVerifier } from '../define-verifier.ts';
import { askModerator } from './ask-moderator.ts';
import { foldText } from './fold-text.ts';
import { jsonTexts } from './json-texts.ts';

/** Over folded text. None can backtrack: no part of them repeats. */
const patterns: readonly { name: string; pattern: RegExp }[] = [
  { name: 'attack on systems', pattern: /\b(?:hack|exploit|attack) (?:the )?(?:system|server|network)/ },
  { name: 'injection', pattern: /\b(?:sql|code) injection/ },
  { name: 'bypass of security', pattern: /\b(?:bypass|circumvent) (?:security|authentication|authorization)/ },
  { name: 'theft of data', pattern: /\b(?:steal|exfiltrate) (?:data|credentials|information)/ },
  { name: 'malware', pattern: /\bmalware/ },
  { name: 'denial of service', pattern: /\b(?:dos|ddos) attack/ },
];

const blocklistDefault = ['rm -rf /', 'DROP TABLE', 'DELETE FROM', '; DROP', 'TRUNCATE TABLE'];

const configSchema = z.strictObject({
  /** Replaces the built-in list; matched like the text, without case and runs of space. */
  blocklist: z.array(z.string().min(1).max(200)).max(1000).default(blocklistDefault),
  /** Asked with each text that passed the rest; when it does not answer the verdict is an error. */
  external_api_url: z.url({ protocol: /^https?$/ }).optional(),
  external_api_timeout_ms: z.int().min(1).max(30_000).default(5000),
});
type Config = z.infer<typeof configSchema>;

type Match = { kind: 'pattern' | 'blocklist'; name: string; in: 'text' | 'tool_call' };

const matchesMost = 20;

/** Listed words begin where a word begins: `backdrop tables` drops none. */
const listed = (words: string) => new RegExp(`${/^\w/.test(words) ? '\\b' : ''}${RegExp.escape(words)}`, 'u');

function matchesIn(text: string, place: Match['in'], blocklist: readonly string[]): Match[] {
  const folded = foldText(text);
  return [
    ...patterns
      .filter(({ pattern }) => pattern.test(folded))
      .map(({ name }): Match => ({ kind: 'pattern', name, in: place })),
    ...blocklist
      .filter((words) => listed(foldText(words)).test(folded))
      .map((words): Match => ({ kind: 'blocklist', name: words, in: place })),
  ];
}

/** Arguments as written and as they read once JSON is unescaped: `\u0072m -rf /` is no hiding place. */
function toolTexts(candidate: Candidate): string[] {
  return answerToolCalls(candidate).map((call) => [call.name, call.arguments, ...jsonTexts(call.arguments)].join('\n'));
}

function failed(matches: readonly Match[]): Finding {
  const names = [...new Set(matches.map(({ kind, name }) => (kind === 'pattern' ? name : JSON.stringify(name))))];
  return {
    status: 'failed',
    message: `the answer holds what is not wanted: ${names.slice(0, 5).join(', ')}`,
    details: { matches: matches.slice(0, matchesMost) },
    code: 'UNSAFE_TEXT',
  };
}

export const safetyFilter = defineVerifier<Config>({
  name: 'safety_filter',
  version: '1.0.0',
  description: 'no words of attacks and no listed commands in the answer or in its tool calls',
  class: 0,
  minLevel: null,
  hard: true,
  configSchema,
  verify: async (candidate, { config, signal }) => {
    const text = answerText(candidate);
    const calls = toolTexts(candidate);
    if (text === '' && calls.length === 0) return { status: 'skipped', message: 'the answer is empty', details: {} };
    const matches = [
      ...matchesIn(text, 'text', config.blocklist),
      ...calls.flatMap((call) => matchesIn(call, 'tool_call', config.blocklist)),
    ];
    if (matches.length > 0) return failed(matches);
    if (config.external_api_url !== undefined) {
      const { external_api_url: url, external_api_timeout_ms: timeoutMs } = config;
      const asked = await askModerator({ url, timeoutMs, text: [text, ...calls].join('\n'), signal });
      if (asked !== 'safe') return asked;
    }
    return { status: 'passed', message: 'nothing unwanted found', details: {}, grants: ['SAFETY_OK'] };
  },
});
