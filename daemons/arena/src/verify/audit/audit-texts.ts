/** What the audit reads of an answer (verification BR2): its pieces as they stand, and the programs that are run. */
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Candidate } from '../../contract/candidate.ts';
import { answerCode, type CodePiece } from '../programs/answer-code.ts';
import { type Program, programsOf } from '../programs/program.ts';

export type AuditText = {
  language: string;
  code: string;
  /** Of several pieces: a quote that begins in one of them ends in another. */
  isProgram: boolean;
  /** In its order; one for a piece. */
  pieces: readonly CodePiece[];
};

function languageOf({ runtime, file }: Program): string {
  if (runtime !== 'bun') return runtime;
  return file.endsWith('x') ? 'tsx' : 'typescript';
}

/** The program as a suite looks at it, and with its tests. */
function textsOf(program: Program, all: readonly CodePiece[]): AuditText[] {
  const language = languageOf(program);
  const pieces = all.filter(({ index }) => program.blocks.includes(index));
  const run = pieces.filter(({ index }) => !program.leftOut.includes(index));
  const own = { language, code: program.code, isProgram: true, pieces: run };
  return program.withTests === undefined ? [own] : [own, { ...own, code: program.withTests, pieces }];
}

/**
 * Pieces first; a program that is one of them as it stands is not told again.
 * @throws CandidateFault
 */
export function auditTexts(candidate: Candidate, suite: Suite | undefined): AuditText[] {
  const all = answerCode(candidate, suite?.language);
  const texts: AuditText[] = all.map((piece) => ({
    language: piece.language,
    code: piece.code,
    isProgram: false,
    pieces: [piece],
  }));
  for (const text of programsOf(candidate, suite).flatMap((program) => textsOf(program, all))) {
    if (!texts.some(({ language, code }) => language === text.language && code === text.code)) texts.push(text);
  }
  return texts;
}

/** The piece that a line of the text is in, and its line there; lines from 1. Pieces are joined by a line's end. */
export function placeOf({ pieces }: AuditText, line: number): { block: number; line: number } {
  let left = line;
  for (const { index, code } of pieces) {
    const lines = code.split('\n').length;
    if (left <= lines) return { block: index, line: left };
    left -= lines;
  }
  return { block: pieces.at(-1)?.index ?? 0, line: left };
}
