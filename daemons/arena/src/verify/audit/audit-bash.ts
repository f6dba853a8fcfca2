/**
 * Dangerous commands in bash (verification BR2), found in the text without comments and quotes. Nothing is run. Every step
 * is linear in the text: places where a command may begin are found first, each once, and only there is looked.
 */
import { atMost, type Mark } from './audit-javascript.ts';
import { blankBash, escaped, type ShellText } from './blank-bash.ts';

/** Behind them a command may begin: the ends of commands, and words of the grammar that are marks. */
const beginMarks = new Set('\n;|&(){}!');
/** Words with a command behind them; of an assignment only its head, see `prefixEnd`. */
const prefix =
  /(?:(?:then|do|else|elif|if|while|until|exec|command|builtin|sudo|env|nohup|time|-[\w-]*)(?=\s)|\w+(?<assigned>=))/y;
/** What a pattern can begin with: most places are told apart by it. */
const mayBegin = new RegExp(String.raw`[\w.$/${escaped}]`);
const shell = String.raw`(?:[\w.-]*\/)*(?:ba|da|z|k)?sh(?=[\s;|&()]|$)`;
const secret = String.raw`(?:(?:export|readonly|local|declare)\s+)?\w{0,64}?(?:password|passwd|secret|token|api_?key)\w{0,64}=[\w.@:/+-]{4}`;

/** At the beginning of a command. */
const commands: readonly { rule: string; pattern: RegExp }[] = [
  { rule: 'shell_eval', pattern: /eval(?=[\s;|&()]|$)/y },
  { rule: 'shell_eval', pattern: new RegExp(String.raw`${shell}(?:[ \t]+-\w+)*[ \t]+-\w*c(?=\s)`, 'y') },
  { rule: 'shell_eval', pattern: /(?:source|\.)\s+<\(/y },
  // A name that is written with escapes hides from whoever looks for it.
  { rule: 'shell_eval', pattern: new RegExp(String.raw`\$?${escaped}`, 'y') },
  { rule: 'B105', pattern: new RegExp(secret, 'iy') },
];
const fed = new RegExp(String.raw`\|&?[ \t]*(?:sudo[ \t]+)?${shell}`, 'g');

const isBlank = (character: string | undefined) => character === ' ' || character === '\t';

/** For each place where the word that it is in ends; made in one pass, since words of marks have many places. */
function wordEnds(text: string): Int32Array {
  const ends = new Int32Array(text.length + 1).fill(text.length);
  for (let at = text.length - 1; at >= 0; at -= 1)
    ends[at] = /[\s;|&()]/.test(text[at] ?? '') ? at : (ends[at + 1] ?? 0);
  return ends;
}

/** Where the word before a command ends; undefined when the word at `at` is no such word. */
function prefixEnd(text: string, at: number, ends: Int32Array): number | undefined {
  prefix.lastIndex = at;
  const word = prefix.exec(text);
  if (word === null) return undefined;
  if (word.groups?.['assigned'] === undefined) return at + word[0].length;
  const end = ends[at] ?? text.length;
  return /\s/.test(text[end] ?? '') ? end : undefined;
}

/** Places where a command may begin, in no order: behind a mark, and behind each word that stands before a command. */
function beginnings(text: string): number[] {
  const seen = new Uint8Array(text.length + 1);
  const ends = wordEnds(text);
  const found: number[] = [];
  for (let mark = -1; mark < text.length; mark += 1) {
    if (mark >= 0 && !beginMarks.has(text[mark] ?? '')) continue;
    for (let at: number | undefined = mark + 1; at !== undefined;) {
      while (isBlank(text[at])) at += 1;
      // What another mark led to was followed from there.
      if (at >= text.length || seen[at] === 1) break;
      seen[at] = 1;
      found.push(at);
      at = prefixEnd(text, at, ends);
    }
  }
  return found;
}

/** Line of each of `places`, from 1, in one pass. */
function withLines(text: string, first: number, rule: string, places: readonly number[]): Mark[] {
  let line = first + 1;
  let counted = 0;
  return places.map((place) => {
    for (; counted < place; counted += 1) if (text[counted] === '\n') line += 1;
    return { rule, line };
  });
}

function marksOf({ text, line }: ShellText): Mark[] {
  const places = beginnings(text)
    .filter((at) => mayBegin.test(text[at] ?? ''))
    .toSorted((a, b) => a - b);
  const marks = commands.flatMap(({ rule, pattern }) => {
    const found = places.filter((at) => {
      pattern.lastIndex = at;
      return pattern.test(text);
    });
    return withLines(text, line, rule, found);
  });
  const pipes = Array.from(text.matchAll(fed), ({ index }) => index);
  return [...marks, ...withLines(text, line, 'shell_pipe', pipes)];
}

/**
 * Each rule once a line, and so often at most (`atMost`).
 * @throws CandidateFault TOO_MANY_DOCUMENTS
 */
export function auditBash(code: string): Mark[] {
  const marks = blankBash(code).flatMap(marksOf);
  return atMost([...new Map(marks.map((mark) => [`${mark.rule}/${mark.line}`, mark])).values()]);
}
