import type { OptionDef, OptionDefs } from './option-def.ts';

export type HelpText = {
  usage: string;
  summary: string;
  examples?: readonly string[];
  /** Lists what has a place in the file and no flag, too: for daemons, whose settings stand there. */
  settings?: boolean;
};

const defaultPlaceholder = {
  string: 'TEXT',
  integer: 'N',
  number: 'N',
  duration: 'TIME',
  bytes: 'SIZE',
  boolean: '',
  'string[]': 'TEXT',
} as const;

function left(def: OptionDef): string {
  const value = def.placeholder ?? defaultPlaceholder[def.type];
  const name = def.type === 'boolean' && def.default === true ? `--no-${def.flag}` : `--${def.flag}`;
  return `  ${def.short ? `-${def.short}, ` : '    '}${name}${value && def.type !== 'boolean' ? ` ${value}` : ''}`;
}

function notes(def: OptionDef): string {
  const list: string[] = [];
  if ((def.type === 'string' || def.type === 'string[]') && def.choices) list.push(def.choices.join(' | '));
  const shown = def.default !== undefined && def.type !== 'boolean' && !def.secret && String(def.default) !== '';
  if (shown) list.push(`default ${String(def.default)}`);
  if (def.type === 'string[]') list.push('repeatable');
  if (def.env) list.push(def.envFile ? `env ${def.env}, ${def.env}_FILE` : `env ${def.env}`);
  if (def.file) list.push(`file ${def.file}`);
  return list.length === 0 ? '' : ` [${list.join('; ')}]`;
}

const terminalColumns = 100;

function wrap(text: string, indent: number): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > terminalColumns - indent) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** `  audit.retention = 400d   age at which rows are pruned`, by tables. */
function settingRows(defs: OptionDefs): string[] {
  const rows = Object.values(defs).filter(({ flag, file }) => flag === undefined && file !== undefined);
  return rows.map((def) => {
    const value = def.default === undefined || def.secret ? '' : ` = ${String(def.default)}`;
    const env = def.env === undefined ? '' : ` [env ${def.env}${def.envFile ? `, ${def.env}_FILE` : ''}]`;
    return `  ${`${def.file}${value}`.padEnd(44)} ${def.help}${env}`;
  });
}

/** The text of `--help`: usage, summary, a line an option, examples. Ends with a newline. */
export function renderHelp(defs: OptionDefs, { usage, summary, examples, settings }: HelpText): string {
  const rows = Object.values(defs)
    .filter((def) => def.flag !== undefined)
    .map((def) => [left(def), def.help + notes(def)] as const);
  const indent = Math.min(34, Math.max(0, ...rows.map(([name]) => name.length + 2)));
  const options = rows.map(([name, text]) =>
    name.length + 2 > indent
      ? `${name}\n${' '.repeat(indent)}${wrap(text, indent)}`
      : `${name.padEnd(indent)}${wrap(text, indent)}`,
  );
  const parts = [`Usage: ${usage}`, summary];
  if (options.length > 0) parts.push(`Options:\n${options.join('\n')}`);
  if (settings) parts.push(`Settings (labmesh.toml):\n${settingRows(defs).join('\n')}`);
  if (examples !== undefined && examples.length > 0)
    parts.push(`Examples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
  return `${parts.join('\n\n')}\n`;
}
