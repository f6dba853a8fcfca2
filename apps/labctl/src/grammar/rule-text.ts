/** The rules of a role as a text to edit: a rule a line, `#` begins a comment (RB-1). */

export type RuleText = {
  name: string;
  description: string | null;
  rules: readonly string[];
};

/** The text that an editor is given; `problem` is told at its top after a try that failed. */
export function formatRules({ name, description, rules }: RuleText, problem?: string): string {
  const lines = [
    ...(problem === undefined ? [] : [`# NOT SAVED: ${problem.replaceAll(/[\r\n]+/g, ' ')}`, '#']),
    `# Rules of role ${name}, one a line. Lines with # are left out. Nothing is saved when nothing changes.`,
    '#   allow|deny VERBS on KINDS[/NAME] [where LABELS] [as LIMITS]',
    '#   deny exec on servers/db-* where environment=production',
    ...(description === null ? [] : [`# ${description.replaceAll(/[\r\n]+/g, ' ')}`]),
    '',
    ...rules,
  ];
  return `${lines.join('\n')}\n`;
}

/** The rules of a text, in their order; blanks around them do not count. */
export function parseRules(text: string): string[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

export const sameRules = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((rule, at) => rule === b[at]);
