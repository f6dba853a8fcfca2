import { type CommandFacts, nextWords } from './completion-facts.ts';

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
/** `_describe` reads `name:text`. */
const described = (name: string, text: string) =>
  quoted(`${name.replaceAll(':', '\\:')}:${text.replaceAll('\n', ' ')}`);

/** `a|b) …` patterns of zsh take blanks only when quoted. */
function commandCase({ name, flags, words }: CommandFacts): string[] {
  const valued = flags.filter(({ takesValue }) => takesValue);
  const values = valued.map(({ names, choices, path }) => {
    const act = path ? '_files' : choices.length === 0 ? ':' : `compadd -- ${choices.map(quoted).join(' ')}`;
    return `        (${names.join('|')}) ${act}; return ;;`;
  });
  const positions = words.map((one, index) => {
    const at = index === words.length - 1 ? '*' : String(index);
    // A type with its slash is not the end of the word.
    const [open, whole] = [one.filter((word) => word.endsWith('/')), one.filter((word) => !word.endsWith('/'))];
    const acts = [
      ...(whole.length === 0 ? [] : [`compadd -- ${whole.map(quoted).join(' ')}`]),
      ...(open.length === 0 ? [] : [`compadd -S '' -- ${open.map(quoted).join(' ')}`]),
    ];
    return `        (${at}) ${acts.length === 0 ? ':' : acts.join('; ')} ;;`;
  });
  return [
    `    (${quoted(name)})`,
    '      case "$previous" in',
    ...values,
    '      esac',
    '      if [[ $current == -* ]]; then',
    `        local -a flags=(${flags.flatMap((flag) => flag.names.map((one) => described(one, flag.help))).join(' ')})`,
    "        _describe -o 'flag' flags",
    '        return',
    '      fi',
    ...(positions.length === 0
      ? []
      : [
          `      _labctl_position ${quoted(valued.flatMap(({ names }) => names).join(' '))}`,
          '      case "$position" in',
          ...positions,
          '      esac',
        ]),
    '      ;;',
  ];
}

const head = `#compdef labctl labmesh
# zsh completion of labctl. Load it: labctl completion zsh > "\${fpath[1]}/_labctl", or source <(labctl completion zsh)
# Made from labctl's own table of commands.

# Position of the word at the cursor among those that are no flags and no values of flags.
_labctl_position() {
  local at word
  position=0
  for ((at = after; at < CURRENT; at++)); do
    word=$words[at]
    if [[ $word == -* ]]; then
      if [[ " $1 " == *" $word "* ]]; then ((at++)); fi
    else ((position++)); fi
  done
}
`;

/** The verbs or nouns that may follow a beginning, with the summary where the name is whole. */
function startCase(start: string, words: readonly string[], facts: readonly CommandFacts[]): string {
  const rows = words.map((word) => {
    const name = start === '' ? word : `${start} ${word}`;
    return described(word, facts.find((one) => one.name === name)?.summary ?? `${word} …`);
  });
  return `    (${quoted(start)}) local -a next=(${rows.join(' ')}); _describe 'command' next ;;`;
}

export function zshScript(facts: readonly CommandFacts[]): string {
  const next = nextWords(facts);
  const known = [...new Set([...next.keys(), ...facts.map(({ name }) => name)])].filter((name) => name !== '');
  const body = [
    '_labctl() {',
    "  local current=$words[CURRENT] previous=$words[CURRENT-1] command='' after=2 position=0 tried",
    '  # Behind -- the words are somebody else’s.',
    '  if (( ${words[(I)--]} > 0 && ${words[(I)--]} < CURRENT )); then _normal; return; fi',
    `  local -a known=(${known.map(quoted).join(' ')})`,
    '  while ((after < CURRENT)); do',
    '    tried="${command:+$command }$words[after]"',
    '    (( ${known[(Ie)$tried]} )) || break',
    '    command=$tried',
    '    ((after++))',
    '  done',
    '  if ((after == CURRENT)); then',
    '  case "$command" in',
    ...[...next].map(([start, words]) => startCase(start, words, facts)),
    '  esac',
    '  fi',
    '  case "$command" in',
    ...facts.flatMap(commandCase),
    '  esac',
    '}',
    '# Loaded by fpath the file is the function; sourced it has to be announced.',
    'if [[ $funcstack[1] == _labctl ]]; then _labctl "$@"; else compdef _labctl labctl labmesh; fi',
  ];
  return `${head}\n${body.join('\n')}\n`;
}
