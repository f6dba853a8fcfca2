/** The code of an answer with the language of each piece: its blocks, or all of it when it has none and is known to be code. */
import type { Candidate } from '../../contract/candidate.ts';
import { languageName } from '../block-language.ts';
import { answerText } from '../candidate-text.ts';
import { codeBlocks } from '../code-blocks.ts';

export type CodePiece = { index: number; language: string; code: string };

/** Without the indent that all lines share. */
function dedented(text: string): string {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const indents = lines.filter((line) => line.trim() !== '').map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0);
  const least = indents.reduce((a, b) => Math.min(a, b), Infinity);
  return Number.isFinite(least) ? lines.map((line) => line.slice(least)).join('\n') : '';
}

/**
 * Blocks without a language are left out, unless metadata.language or `suiteLanguage` says what they are.
 * @throws CandidateFault
 */
export function answerCode(candidate: Candidate, suiteLanguage?: string): CodePiece[] {
  const { language } = candidate.metadata;
  const named = typeof language === 'string' && language !== '' ? languageName(language) : suiteLanguage;
  const blocks = codeBlocks(candidate);
  if (blocks.length > 0) {
    return blocks.flatMap(({ index, language: own, code }) => {
      const known = own ?? named;
      return known === undefined ? [] : [{ index, language: known, code }];
    });
  }
  const code = named === undefined ? '' : dedented(answerText(candidate));
  return named === undefined || code.trim() === '' ? [] : [{ index: 0, language: named, code }];
}
