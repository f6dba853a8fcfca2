/** The original's form of certificates as this arena issues them, against a file that was looked at (verification BR3). */
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { issueCertificate } from '@labmesh/attest/certificate/issue-certificate';
import { generateSigner } from '@labmesh/attest/keys/signing-key';
import { functionalView } from '@labmesh/attest/views/functional-view';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import { codeMetadata } from './code-metadata.ts';
import { statementOfRun } from './statement-of-run.ts';
import { answerOf, sampleAnswer, sampleRun } from './testing/sample-run.ts';

const settings = { verifierId: 'https://arena.test', validityHours: 24 };
const now = Date.parse('2026-03-01T12:00:00.000Z');

test('the functional view of an issued certificate is its golden file', async () => {
  const run = sampleRun({ block: verificationBlockSchema.parse({ bracket: 'opencoder' }) });
  const input = statementOfRun(run, settings, now);
  if ('reason' in input) throw new Error(input.reason);
  const { statement } = await issueCertificate(input, [generateSigner()]);
  const text = `${JSON.stringify(functionalView(statement, now), null, 2)}\n`;
  const path = join(import.meta.dir, 'testdata', 'functional.golden.json');
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
});

const counted = (content: string, changes: Parameters<typeof sampleRun>[0] = {}) => {
  const { code_blocks_count, total_code_size } = codeMetadata(sampleRun(changes), answerOf(content));
  return [code_blocks_count, total_code_size];
};

test('code is counted as it is run: with a suite what names no language too', () => {
  const [, size = 0] = counted(sampleAnswer);
  expect(size).toBe('def add(a, b):\n    return a + b\n'.length);
  expect(counted(`${sampleAnswer}\ntext\n${sampleAnswer}`)).toEqual([2, 2 * size]);
  expect(counted('```\nx = "é🦙"\n```')).toEqual([1, 9]);
  expect(counted('```\nx\n```', { suiteSha256: null })).toEqual([0, 0]);
  expect(counted('return a + b')).toEqual([1, 12]);
  expect(counted('no code at all', { suiteSha256: null })).toEqual([0, 0]);
});
