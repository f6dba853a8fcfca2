/**
 * The fenced blocks of an answer as CommonMark has them: backticks or tildes, inside quotes and lists too, an open one
 * to the end of what holds it. Only the block rules run, each of which takes linear time; inline text is never parsed.
 */
import MarkdownIt from 'markdown-it';
import type { Candidate } from '../contract/candidate.ts';
import { CandidateFault, candidateLimits } from './candidate-fault.ts';
import { answerText } from './candidate-text.ts';
import { languageName, tagOf } from './block-language.ts';

export type CodeBlock = {
  /** Place among the blocks of the answer, from 0. */
  index: number;
  /**
   * Its tag in one spelling (python, javascript, typescript, bash, json, yaml, toml …). An untagged block has the
   * language that metadata.language names, else `json` when a schema is expected, else null.
   */
  language: string | null;
  /** As written, ≤ 32 characters; null for none. */
  tag: string | null;
  code: string;
  /** Line of the opening fence in the text, from 1. */
  line: number;
};

// A quote is one level and a list item two: room for one container more than is allowed, so that it is seen.
const levelsMost = 2 * (candidateLimits.nesting + 2);
const markdown = new MarkdownIt('commonmark', { maxNesting: levelsMost });
// Definitions of links are paragraphs as far as blocks go, and the one rule whose text is looked through twice.
markdown.core.ruler.enableOnly(['normalize', 'block']);
markdown.block.ruler.disable('reference');

const containers: Readonly<Record<string, number>> = {
  blockquote_open: 1,
  blockquote_close: -1,
  list_item_open: 1,
  list_item_close: -1,
};

function untagged(candidate: Pick<Candidate, 'metadata' | 'expectedSchema'>): string | null {
  const { language } = candidate.metadata;
  if (typeof language === 'string' && language !== '') return languageName(language);
  return candidate.expectedSchema === undefined ? null : 'json';
}

/** @throws CandidateFault TOO_MANY_BLOCKS, NESTED_TOO_DEEP */
function parse(text: string, unnamed: string | null): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let depth = 0;
  for (const token of markdown.parse(text, {})) {
    depth += containers[token.type] ?? 0;
    if (depth > candidateLimits.nesting) {
      throw new CandidateFault('NESTED_TOO_DEEP', `quotes and lists are nested deeper than ${candidateLimits.nesting}`);
    }
    if (token.type !== 'fence') continue;
    if (blocks.length === candidateLimits.codeBlocks) {
      throw new CandidateFault('TOO_MANY_BLOCKS', `the answer has more than ${candidateLimits.codeBlocks} code blocks`);
    }
    // Entities and escapes count in info strings: `p&#121;thon` is python to whoever shows it.
    const tag = tagOf(markdown.utils.unescapeAll(token.info));
    const language = tag === null ? unnamed : languageName(tag);
    blocks.push({ index: blocks.length, language, tag, code: token.content, line: (token.map?.[0] ?? 0) + 1 });
  }
  return blocks;
}

/** Several verifiers ask for the blocks of one candidate; also that it passes a limit is found once. */
const parsed = new WeakMap<Candidate, readonly CodeBlock[] | CandidateFault>();

function parseOnce(candidate: Candidate): readonly CodeBlock[] | CandidateFault {
  try {
    return parse(answerText(candidate), untagged(candidate));
  } catch (error) {
    if (error instanceof CandidateFault) return error;
    throw error;
  }
}

/**
 * The code blocks of a candidate's answer, in order; parsed once for each candidate object.
 * @throws CandidateFault ANSWER_TOO_LONG, TOO_MANY_BLOCKS, NESTED_TOO_DEEP: `failed`, and the pipeline says so
 */
export function codeBlocks(candidate: Candidate): readonly CodeBlock[] {
  const blocks = parsed.get(candidate) ?? parseOnce(candidate);
  parsed.set(candidate, blocks);
  if (blocks instanceof CandidateFault) throw blocks;
  return blocks;
}
