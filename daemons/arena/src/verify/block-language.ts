/** Names of languages as fences write them, brought to one name each (V7, V8, V14). */

const names: Readonly<Record<string, string>> = {
  py: 'python',
  py3: 'python',
  python3: 'python',
  js: 'javascript',
  node: 'javascript',
  nodejs: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
  sh: 'bash',
  shell: 'bash',
  yml: 'yaml',
};
const languages = new Map(Object.entries(names));

const tagCharsMost = 32;

/** `Python3` → `python`; a name that is not known stays as it is, in lower case. */
export function languageName(tag: string): string {
  const lower = tag.slice(0, tagCharsMost).toLowerCase();
  return languages.get(lower) ?? lower;
}

/**
 * The tag of an info string, entities already resolved: its first word, without braces, dots and options:
 * `{.python .numberLines}`, `python:main.py` and `Python title=x` are all python. Null when there is none.
 */
export function tagOf(info: string): string | null {
  const word = /^[{\s]*\.?([^\s,:;{}=]+)/u.exec(info.slice(0, 256))?.[1];
  return word === undefined ? null : word.slice(0, tagCharsMost).toWellFormed();
}
