/** Dangerous commands in bash (verification BR2), found in the text without comments and quotes. Nothing is run. */
import type { Mark } from './audit-javascript.ts';
import { blankBash, escaped, type ShellText } from './blank-bash.ts';

/** Where a command may begin: at the start of a line, behind an operator or a word of the grammar, behind assignments. */
const begins = String.raw`(?:^|[\n;|&(){}!])(?:[ \t]*(?:then|do|else|elif|if|while|until|exec|command|builtin|sudo|env|nohup|time|-[\w-]*|\w+=[^\s;|&()]*)(?=\s))*[ \t]*`;
const shell = String.raw`(?:[\w.-]*\/)*(?:ba|da|z|k)?sh(?=[\s;|&()]|$)`;
const secret = String.raw`(?:(?:export|readonly|local|declare)\s+)?\w{0,64}?(?:password|passwd|secret|token|api_?key)\w{0,64}=[\w.@:/+-]{4,}`;

const patterns: readonly { rule: string; pattern: RegExp }[] = [
  { rule: 'shell_eval', pattern: new RegExp(String.raw`${begins}eval(?=[\s;|&()]|$)`, 'g') },
  { rule: 'shell_eval', pattern: new RegExp(String.raw`${begins}${shell}(?:[ \t]+-\w+)*[ \t]+-\w*c(?=\s)`, 'g') },
  { rule: 'shell_eval', pattern: new RegExp(String.raw`${begins}(?:source|\.)\s+<\(`, 'g') },
  // A name that is written with escapes hides from whoever looks for it.
  { rule: 'shell_eval', pattern: new RegExp(String.raw`${begins}\$?${escaped}`, 'g') },
  { rule: 'shell_pipe', pattern: new RegExp(String.raw`\|&?[ \t]*(?:sudo[ \t]+)?${shell}`, 'g') },
  { rule: 'B105', pattern: new RegExp(begins + secret, 'gi') },
];

/** Marks of one pattern; lines are counted on the way, so that many of them cost one pass. */
function marksOf({ text, line }: ShellText, rule: string, pattern: RegExp): Mark[] {
  let at = line + 1;
  let counted = 0;
  return Array.from(text.matchAll(pattern), ({ 0: found, index }) => {
    // A match begins with what stands before its command.
    for (const end = index + found.length; counted < end; counted += 1) if (text[counted] === '\n') at += 1;
    return { rule, line: at };
  });
}

/** Each rule once a line. */
export function auditBash(code: string): Mark[] {
  const marks = blankBash(code).flatMap((part) =>
    patterns.flatMap(({ rule, pattern }) => marksOf(part, rule, pattern)),
  );
  return [...new Map(marks.map((mark) => [`${mark.rule}/${mark.line}`, mark])).values()];
}
