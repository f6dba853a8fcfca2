/** Label words of `label` and `create token`: `team=search` sets one, `team-` takes it away. */
import { labelKeyField, labelValueField } from '@labmesh/wire/fleet/resources/fields';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

const usage = (problem: string, hint: string) => new CommandError(problem, { hint, exitCode: exitCodes.usage });

/** Key and value of `k=v`; a value of null takes the label away (`k-`). @throws CommandError (exit 2) */
export function parseLabel(word: string): { key: string; value: string | null } {
  const equals = word.indexOf('=');
  const [key, value] =
    equals >= 0
      ? [word.slice(0, equals), word.slice(equals + 1)]
      : word.endsWith('-')
        ? [word.slice(0, -1), null]
        : [undefined, null];
  const shown = JSON.stringify(word.slice(0, 80));
  if (key === undefined) throw usage(`${shown} is not a label`, 'KEY=VALUE sets a label, KEY- takes it away');
  if (!labelKeyField.safeParse(key).success) {
    throw usage(`the key in ${shown} is not valid`, 'a key has letters, digits, . _ / and -, at most 63');
  }
  if (key.startsWith('facts.')) throw usage(`${key} is reported by the agent`, 'labels of your own have other names');
  if (value !== null && !labelValueField.safeParse(value).success) {
    throw usage(`the value in ${shown} is not valid`, 'a value has letters, digits and . _ : / @ + -, at most 253');
  }
  return { key, value };
}

/** All of them; one key twice is an error: the second would win silently. @throws CommandError (exit 2) */
export function parseLabels(words: readonly string[]): Record<string, string | null> {
  const labels = new Map<string, string | null>();
  for (const word of words) {
    const { key, value } = parseLabel(word);
    if (labels.has(key)) throw usage(`the label ${key} is given twice`, 'name each label once');
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

/** Labels that are set, none taken away. @throws CommandError (exit 2) */
export function parseNewLabels(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parseLabels(words)).map(([key, value]) => {
      if (value === null) throw usage(`--label ${key}-: there is nothing to take away yet`, '--label KEY=VALUE');
      return [key, value];
    }),
  );
}
