/**
 * Dangerous calls in JavaScript and TypeScript (verification BR2), found in the text with comments, strings and regular
 * expressions taken out. One pass over the characters; nothing is run.
 */

export type Mark = { rule: string; line: number };

/** Of one rule: more of the same tell nothing new, and the findings of another rule are not pushed out by them. */
const ruleMost = 200;

/** The first of each rule. */
export function atMost(marks: readonly Mark[]): Mark[] {
  const counts = new Map<string, number>();
  return marks.filter(({ rule }) => {
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    return count <= ruleMost;
  });
}

const patterns: readonly { rule: string; pattern: RegExp }[] = [
  { rule: 'js_eval', pattern: /(?<![\w$.])(?:(?:globalThis|window|self|global)\s*\??\.\s*)?eval\s*(?:\?\.\s*)?\(/g },
  { rule: 'js_eval', pattern: /,\s*eval\s*\)\s*(?:\?\.\s*)?\(/g },
  {
    rule: 'js_eval',
    pattern: /(?<![\w$.])(?:new\s+)?(?:(?:globalThis|window|self|global)\s*\??\.\s*)?Function\s*(?:\?\.\s*)?\(/g,
  },
  { rule: 'js_eval', pattern: /(?<![\w$.])set(?:Timeout|Interval)\s*\(\s*[\u0001\u0002]/g },
  // A name that is written with escapes outside of texts hides from whoever looks for it.
  { rule: 'js_eval', pattern: /\\u(?:\{|[\da-fA-F]{4})/g },
  { rule: 'inner_html', pattern: /\.(?:innerHTML|outerHTML)\s*\+?=(?!=)/g },
  { rule: 'inner_html', pattern: /\.insertAdjacentHTML\s*\(|(?<![\w$])document\.write(?:ln)?\s*\(/g },
  { rule: 'sql_injection', pattern: /\.(?:query|execute|exec|raw)\s*\(\s*(?:\u0001|\u0002\s*\+)/g },
];

/** What a division cannot follow, so that `/` begins a regular expression. */
const beforeRegex = /(?:^|[=(,:;!&|?{}[\]+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|delete|throw))\s*$/;
/** Characters before a `/` that are looked at. */
const lookBack = 40;

/** Where a string, comment or expression that begins at `from` ends. */
function endOf(code: string, from: number, close: string): number {
  for (let at = from; at < code.length; at += 1) {
    if (code[at] === '\\') at += 1;
    else if (code.startsWith(close, at)) return at + close.length;
    else if (code[at] === '\n' && close !== '`' && close !== '*/') return at;
  }
  return code.length;
}

/** Where a regular expression ends: a slash in a class is none. */
function regexEnd(code: string, from: number): number {
  let inClass = false;
  for (let at = from; at < code.length && code[at] !== '\n'; at += 1) {
    const character = code[at];
    if (character === '\\') at += 1;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) return at + 1;
  }
  const line = code.indexOf('\n', from);
  return line < 0 ? code.length : line;
}

/** Where the text of a template that goes on at `from` ends: behind its backtick, or behind a `${`. */
function textEnd(code: string, from: number): number {
  for (let at = from; at < code.length; at += 1) {
    if (code[at] === '\\') at += 1;
    else if (code[at] === '`') return at + 1;
    else if (code[at] === '$' && code[at + 1] === '{') return at + 2;
  }
  return code.length;
}

/** A division follows them, though their last character looks like an operator. */
const divided = /(?:\+\+|--)\s*$/;

/**
 * Literals become one mark: U+0001 for a template with values, U+0002 for other text. What stands between `${` and `}` is
 * code like all other, in brackets. Lines stay.
 */
function blank(code: string): string {
  const out: string[] = [];
  /** The end of what was put: taken off the whole at each slash, it would cost the square of the text. */
  let before = '';
  let depth = 0;
  /** Depths at which the values of open templates began. */
  const values: number[] = [];
  for (let at = 0; at < code.length;) {
    const character = code[at] ?? '';
    const pair = code.slice(at, at + 2);
    let end = at + 1;
    let put = character;
    if (pair === '//') [end, put] = [endOf(code, at + 2, '\n'), ''];
    else if (pair === '/*') [end, put] = [endOf(code, at + 2, '*/'), ' '];
    else if (character === '"' || character === "'") [end, put] = [endOf(code, at + 1, character), '\u0002'];
    else if (character === '`' || (character === '}' && values.at(-1) === depth)) {
      end = textEnd(code, at + 1);
      const goesOn = code.startsWith('${', end - 2) && end - 2 > at;
      if (character === '`') put = goesOn ? '\u0001(' : '\u0002';
      else put = goesOn ? ',' : ')';
      if (character === '`' && goesOn) values.push(depth);
      if (character === '}' && !goesOn) values.pop();
    } else if (character === '{') depth += 1;
    else if (character === '}') depth -= 1;
    else if (character === '/') {
      if (beforeRegex.test(before) && !divided.test(before)) [end, put] = [regexEnd(code, at + 1), '\u0002'];
    }
    const lines = put === character ? '' : code.slice(at, end).replaceAll(/[^\n]/g, '');
    out.push(put, lines);
    before = (before + put + lines.slice(-lookBack)).slice(-lookBack);
    at = end;
  }
  return out.join('');
}

/** Marks of one pattern; lines are counted on the way, so that many of them cost one pass. */
function marksOf(text: string, rule: string, pattern: RegExp): Mark[] {
  let line = 1;
  let counted = 0;
  return Array.from(text.matchAll(pattern), ({ index }) => {
    for (; counted < index; counted += 1) if (text[counted] === '\n') line += 1;
    return { rule, line };
  });
}

export function auditJavascript(code: string): Mark[] {
  const text = blank(code);
  return atMost(patterns.flatMap(({ rule, pattern }) => marksOf(text, rule, pattern)));
}
